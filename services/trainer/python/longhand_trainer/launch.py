"""From a recipe to a running round: prepares the plan, then trains here or on several processes of this machine.

`run` prints hello and plan; the process of rank 0 prints what follows. With several processes the errors of all come back in
files, so that one event tells what went wrong wherever it did.
"""

import fcntl
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__, checkpoint, events, stop
from .errors import Stopped, TrainingError
from .estimate import Estimate, Setup, check_memory, estimate
from .plan import Plan, build, write_skipped
from .recipe import Recipe, load
from .template import Encoder, choose, runs

_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "numpy", "flash-attn")
_LOCK_SECONDS = 600
# The others of a round wait in a collective for one that failed, and are then of no use.
_FAIL_SECONDS = 15


@dataclass(frozen=True)
class Prepared:
    recipe: Recipe
    encoder: Encoder
    plan: Plan
    setup: Setup
    kind: str
    new_tokens: bool
    estimate: Estimate


def run(path: Path) -> int:
    """`run`: a whole round. The exit code."""
    return _reporting(lambda: _run(path))


def plan(path: Path) -> int:
    """`plan`: what a round would train on; nothing is written but the list of skipped rows."""
    return _reporting(lambda: _print_plan(prepare(load(path)), example=True))


def worker(path: Path) -> int:
    """One process of several; its error goes to a file."""
    stop.die_with_parent()
    recipe = load(path)
    rank = int(os.environ["RANK"])
    failed = _error_file(recipe, rank)
    try:
        prepared = _prepare_worker(recipe)
        done = _train(prepared)
        if rank == 0:
            events.emit("done", **done)
        return 0
    except Stopped as stopped:
        if rank == 0:
            events.emit("stopped", step=stopped.step, checkpoint=stopped.checkpoint)
        return 143
    except TrainingError as error:
        traceback.print_exc()
        fields = {"code": error.code, "message": error.message, "last_checkpoint": error.last_checkpoint}
        failed.write_text(json.dumps(fields), encoding="utf-8")
        sys.stderr.flush()
        os._exit(1)  # the process group would wait for the others


def _reporting(work: Any) -> int:
    from .train import as_training_error

    try:
        work()
        return 0
    except Stopped as stopped:
        events.emit("stopped", step=stopped.step, checkpoint=stopped.checkpoint)
        return 143
    except _Reported as reported:
        return reported.code
    except Exception as error:
        failed = as_training_error(error)
        if failed.code == "internal":
            traceback.print_exc()
        events.emit("error", code=failed.code, message=failed.message, last_checkpoint=failed.last_checkpoint)
        return 1


class _Reported(Exception):
    """The round ended and said so."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _run(path: Path) -> None:
    recipe = load(path)
    output = Path(recipe.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    lock = _lock(output)
    try:
        try:
            prepared = prepare(recipe)
        except Stopped:
            raise Stopped(*_resume_point(recipe)) from None
        _print_plan(prepared, example=False)
        if prepared.setup.processes == 1:
            events.emit("done", **_train(prepared))
        else:
            prepared.plan.save(output / "plan")
            _train_on_many(path, prepared, lock)
    finally:
        os.close(lock)


def _lock(output: Path) -> int:
    """One backend per round: waits for one that is still ending."""
    handle = os.open(output / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if stop.requested():
                raise Stopped from None
            if time.monotonic() > until:
                raise TrainingError("internal", f"{output}: another backend still works on this round") from None
            events.log("waiting for another backend of this round to end")
            time.sleep(1)


def layout(recipe: Recipe) -> tuple[Setup, str, int | None]:
    """How the round is laid out on this machine, the kind of device, and the memory of one."""
    import torch

    cuda = torch.cuda.is_available()
    devices = torch.cuda.device_count() if cuda else 0
    processes = recipe.processes or max(1, devices)
    if cuda and processes > devices:
        raise TrainingError("bad_recipe", f"processes {processes}: this machine has {devices} GPUs")
    sharded = recipe.sharding == "fsdp" or (recipe.sharding == "auto" and cuda and processes > 1)
    if sharded and processes == 1:
        raise TrainingError("bad_recipe", "sharding fsdp: needs several processes")
    if recipe.offload and not sharded:
        raise TrainingError("bad_recipe", "offload: only with sharding fsdp, so on several GPUs")
    bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and cuda and torch.cuda.is_bf16_supported())
    recompute = cuda if recipe.gradient_checkpointing is None else recipe.gradient_checkpointing
    memory = torch.cuda.get_device_properties(0).total_memory if cuda else None
    return Setup(processes, sharded, bf16, recompute), "cuda" if cuda else "cpu", memory


def prepare(recipe: Recipe) -> Prepared:
    """hello, then everything up to the first step that needs no model: checks, data, order, estimate."""
    from . import attention
    from .model import load_config

    setup, device, memory = layout(recipe)
    _hello(setup, device, memory)
    kind, slow = attention.choose(recipe.attention, device)
    config = load_config(recipe)
    encoder, added = _encoder(recipe)
    for message in (slow, encoder.template.warning):
        if message is not None:
            events.warn(message)
    if added:
        events.warn(f"the template adds {added} tokens to the model; its embeddings are trained too")
    if recipe.kind == "sft" and not recipe.data.general:
        events.warn("no general data: the paper mixes 30 general rows with each long one (180k with 6k)")
    built = build(recipe, encoder)
    if setup.processes > recipe.packs_per_step:
        idle = setup.processes - recipe.packs_per_step
        events.warn(f"{idle} of {setup.processes} processes are idle: packs_per_step is {recipe.packs_per_step}")
    longest = max(built.tokens([pack]) for pack in built.packs)
    found = estimate(recipe, config, setup, len(encoder.tokenizer), added, longest)
    check_memory(recipe, found, memory)
    _check_disk(recipe, found)
    return Prepared(recipe, encoder, built, setup, kind, added > 0, found)


def _check_disk(recipe: Recipe, found: Estimate) -> None:
    # The kept ones, the one being written, and the model.
    needed = found.checkpoint_bytes * (recipe.keep_checkpoints + 1) + 4 * found.parameters
    folder = next(path for path in [Path(recipe.output_dir), *Path(recipe.output_dir).parents] if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        events.warn(f"checkpoints and model take about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free at {folder}")


def _encoder(recipe: Recipe) -> tuple[Encoder, int]:
    from .model import add_tokens, load_tokenizer

    tokenizer = load_tokenizer(recipe)
    template = choose(tokenizer, recipe.template)
    added = add_tokens(tokenizer, template)
    return Encoder(tokenizer, template), added


def _prepare_worker(recipe: Recipe) -> Prepared:
    """What `prepare` found, without doing it again."""
    from . import attention

    setup, device, _ = layout(recipe)
    encoder, added = _encoder(recipe)
    built = Plan.open(Path(recipe.output_dir) / "plan")
    nothing = Estimate(0, 0, 0, 0)
    return Prepared(recipe, encoder, built, setup, attention.choose(recipe.attention, device)[0], added > 0, nothing)


def _hello(setup: Setup, device: str, memory: int | None) -> None:
    import torch

    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    count = torch.cuda.device_count() if device == "cuda" else 0
    name = torch.cuda.get_device_name(0) if device == "cuda" else platform.machine()
    described = {"kind": device, "name": name, "count": count, "memory_bytes": memory}
    events.emit(
        "hello",
        backend="longhand_trainer",
        version=__version__,
        packages=versions,
        device=described,
        processes=setup.processes,
    )


def _print_plan(prepared: Prepared, example: bool) -> None:
    recipe, built = prepared.recipe, prepared.plan
    skipped = write_skipped(built, Path(recipe.output_dir) / "skipped.jsonl")
    reasons: dict[str, int] = {}
    for row in built.skipped:
        reasons[row.reason] = reasons.get(row.reason, 0) + 1
    if reasons:
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        events.warn(f"{len(built.skipped)} rows are skipped ({listed}): {skipped}")
    counts = built.documents.target_counts()
    members = [document for pack in built.packs for document in pack.documents]
    found = prepared.estimate
    fields = {
        "rows": len(members) // (1 if recipe.kind == "sft" else 2),
        "skipped": {"rows": len(built.skipped), "reasons": reasons, "path": skipped},
        "tokens": built.tokens(built.packs),
        "target_tokens": int(counts[members].sum()),
        "packs": len(built.packs),
        "steps": built.steps,
        "order_sha256": built.order_sha256,
        "template": prepared.encoder.template.label,
        "attention": prepared.kind,
        "parameters": found.parameters,
        "trainable_parameters": found.trainable,
        "memory_bytes_per_device": found.memory_bytes,
        "checkpoint_bytes": found.checkpoint_bytes,
        "example": _example(prepared) if example else None,
    }
    events.emit("plan", **fields)


def _example(prepared: Prepared, shown: int = 12) -> dict[str, Any]:
    """The first row, by stretches that are targets or not; of a long stretch only its first and last tokens."""
    documents, tokenizer = prepared.plan.documents, prepared.encoder.tokenizer
    ids, targets = documents.ids(0), documents.mask(0)
    edges = sorted({0, len(ids), *(edge for run in runs(targets) for edge in (run.start, run.stop))})
    segments = []
    for start, end in itertools.pairwise(edges):
        part = [int(token) for token in ids[start:end]]
        text = tokenizer.decode(part)
        if len(part) > 4 * shown:
            text = f"{tokenizer.decode(part[: 2 * shown])} ... {tokenizer.decode(part[-shown:])}"
        segments.append({"text": text, "target": bool(targets[start]), "tokens": end - start})
    source = prepared.recipe.data.sources[int(documents.source[0])]
    return {"name": source.name, "row": int(documents.row[0]), "segments": segments}


def _train(prepared: Prepared) -> dict[str, Any]:
    from . import train

    p = prepared
    return train.run(p.recipe, p.plan, p.encoder, p.setup, p.kind, p.new_tokens)


def _error_file(recipe: Recipe, rank: int) -> Path:
    return Path(recipe.output_dir) / "plan" / f"error-{rank}.json"


def _train_on_many(path: Path, prepared: Prepared, lock: int) -> None:
    """Starts the processes of the round and waits for all. Its lock is theirs too, should this process die first."""
    recipe, count = prepared.recipe, prepared.setup.processes
    for rank in range(count):
        _error_file(recipe, rank).unlink(missing_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "longhand_trainer", "worker", "--recipe", str(path)]
    processes = []
    for rank in range(count):
        place = {"RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        out = events.descriptor() if rank == 0 else sys.stderr.fileno()
        processes.append(
            subprocess.Popen(command, env={**os.environ, **place}, stdin=subprocess.DEVNULL, stdout=out, pass_fds=[lock])
        )
    codes = _wait(processes)
    if all(code == 0 for code in codes):
        return
    if all(code in (0, 143) for code in codes):
        raise _Reported(143)
    found = [json.loads(file.read_text()) for rank in range(count) if (file := _error_file(recipe, rank)).exists()]
    if stop.requested() and not found:  # it came while they started
        raise Stopped(*_resume_point(recipe))
    found.sort(key=lambda fields: fields["code"] == "internal")  # the cause, not what it did to the others
    if found:
        failed = TrainingError(found[0]["code"], found[0]["message"])
        failed.last_checkpoint = found[0]["last_checkpoint"]
        raise failed
    code = next(code for code in codes if code)
    failed = TrainingError(
        "internal", f"a process of the round ended with code {code}: -9 is often the host's memory; see the log"
    )
    left = checkpoint.complete(Path(recipe.output_dir))
    failed.last_checkpoint = str(left[-1]) if left else recipe.resume_from
    raise failed


def _resume_point(recipe: Recipe) -> tuple[int, str | None]:
    if recipe.resume_from is None:
        return 0, None
    return int(checkpoint.read_index(Path(recipe.resume_from))["step"]), recipe.resume_from


def _wait(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    asked = False
    failed_at: float | None = None
    while any(process.poll() is None for process in processes):
        if stop.requested() and not asked:
            asked = True
            for process in processes:
                process.send_signal(signal.SIGTERM)
        if failed_at is None and any(process.poll() not in (None, 0, 143) for process in processes):
            failed_at = time.monotonic()
        if failed_at is not None and time.monotonic() - failed_at > _FAIL_SECONDS:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    return [process.returncode for process in processes]
