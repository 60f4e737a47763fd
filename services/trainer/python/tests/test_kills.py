"""`kill -9` of the trainer and of this backend at random moments, until the model is there. `make trainer-kills` runs it.

LONGHAND is the binary of longhand, SEED names the moments (1).
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from longhand_trainer import tiny

from .lab import SCHEMAS
from .test_plan import build

pytestmark = pytest.mark.kills

KILLS_OF_EACH = 3
EPOCHS = 10
EVERY = 3
PATIENCE = 300.0

Trainer = subprocess.Popen[str]


def binary() -> str:
    built = Path(os.environ.get("CARGO_TARGET_DIR") or SCHEMAS.parents[1] / "target")
    return str(Path(os.environ.get("LONGHAND") or built / "release/longhand").resolve())


def until(what: str, found: Callable[[], Any]) -> Any:
    """The first value of `found` that counts as one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {PATIENCE:.0f} s")


def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=PATIENCE)


@dataclass
class Job:
    """`longhand train sft` over a run's folder, again and again the same command."""

    data: Path
    model: Path
    out: Path

    def start(self) -> Trainer:
        fields = ["--full", "--max-length", "2048", "--packs-per-step", "1", "--learning-rate", "1e-3"]
        lengths = ["--epochs", str(EPOCHS), "--checkpoint-every", str(EVERY)]
        command = [
            binary(),
            "train",
            "sft",
            str(self.data),
            "--model",
            str(self.model),
            "--out",
            str(self.out),
            *fields,
            *lengths,
        ]
        settings = {
            "LONGHAND__TRAIN__BACKEND": json.dumps([sys.executable, "-m", "longhand_trainer"]),
            "LONGHAND__TRAIN__RESTART_SECONDS": "0",
            "LONGHAND__LEASE__LEASE_SECONDS": "3",
            "LONGHAND__LEASE__HEARTBEAT_SECONDS": "0.2",
        }
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | settings)

    def finish(self) -> str:
        """Runs it to its end; what it said."""
        process = self.start()
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    def events(self, kind: str) -> Iterator[dict[str, Any]]:
        log = self.out / "log.jsonl"
        for line in log.read_bytes().split(b"\n")[:-1] if log.exists() else ():
            said = json.loads(line)["said"]
            if isinstance(said, dict) and said["event"] == kind:
                yield said

    def step(self) -> int:
        return max((event["step"] for event in self.events("progress")), default=0)

    def lines(self) -> int:
        return sum(1 for _ in self.events("progress"))

    def backend(self) -> int | None:
        """The backend at work."""
        try:
            pid = int(json.loads((self.out / "backend.pid").read_bytes())["id"])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"longhand_trainer" in command else None

    def read(self, name: str) -> Any:
        return json.loads((self.out / name).read_bytes())


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[Job, Job]:
    """Twice the same job."""
    data, model = tmp_path / "data", tmp_path / "base"
    instructions = SCHEMAS.parents[1] / "examples/instructions.jsonl"
    made = call("run", str(instructions), "--simulate", "--shard-size", "4", "--out", str(data))
    assert made.returncode == 0, made.stderr
    tiny.make(model, texts=[text for path in data.glob("shards/*.parquet") for text in tiny.texts_of(path)], vocabulary=4096)
    return Job(data, model, tmp_path / "whole"), Job(data, model, tmp_path / "killed")


def test_kills_of_trainer_and_backend_change_nothing(jobs: tuple[Job, Job]) -> None:
    whole, killed = jobs
    began = time.monotonic()
    process = whole.start()
    until("the first step", whole.step)
    starts = time.monotonic() - began
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    steps = whole.read("model.json")["step"]
    assert steps >= 30

    seed = int(os.environ.get("SEED", "1"))
    kill(killed, random.Random(seed), steps, starts)
    killed.finish()
    record = killed.read("model.json")
    assert_each_shard_counts_once(killed, record)
    assert_what_was_done_again_is_reported(whole, killed, record)
    # Bit for bit the model that was never killed.
    assert record["model_sha256"] == whole.read("model.json")["model_sha256"]
    # Registered once: the same command has nothing left to do.
    assert "registered before" in killed.finish()
    assert killed.read("model.json") == record
    status = json.loads(call("train", "status", str(killed.out), "--json").stdout)
    assert (status["state"], status["model"]) == ("done", record)
    say(f"seed {seed}: {steps} steps, {record['sessions']} sessions, {record['redone_steps']} steps done again")


def kill(job: Job, moments: random.Random, steps: int, starts: float) -> None:
    """Kills each of the two so many times: while it starts, or after some step; `starts` is how long a start takes."""
    victims = ["trainer", "backend"] * KILLS_OF_EACH
    moments.shuffle(victims)
    trainer: Trainer | None = None
    for number, victim in enumerate(victims):
        trainer = trainer or job.start()
        until("a backend", job.backend)
        if moments.random() < 1 / 3:
            wait_in_its_start(job, moments.uniform(0, starts))
        else:
            wait_for_step(job, trainer, 1 + number * (steps - 10) // len(victims) + moments.randrange(3))
            time.sleep(moments.uniform(0, 0.3))
        assert trainer.poll() is None, f"it was done before kill {number + 1}: {trainer.communicate()[1]}"
        say(f"kill -9 of the {victim}, when step {job.step()} of {steps} was the last")
        if victim == "trainer":
            trainer.kill()
            trainer.communicate(timeout=PATIENCE)
            trainer = None
        else:
            backend = until("a backend", job.backend)
            os.kill(backend, signal.SIGKILL)
            wait_for_another(job, backend)
    if trainer is not None:
        _, said = trainer.communicate(timeout=PATIENCE)
        assert trainer.returncode == 0, said


def wait_in_its_start(job: Job, seconds: float) -> None:
    """No longer than the start lasts: how long that is depends on what else the machine does."""
    made, end = job.lines(), time.monotonic() + seconds
    until("the moment", lambda: time.monotonic() >= end or job.lines() > made)


def wait_for_step(job: Job, trainer: Trainer, step: int) -> None:
    until(f"step {step}", lambda: job.step() >= step or trainer.poll() is not None)


def wait_for_another(job: Job, backend: int) -> None:
    until("another backend", lambda: job.backend() not in (None, backend))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def assert_each_shard_counts_once(job: Job, record: dict[str, Any]) -> None:
    published = [file["sha256"] for file in json.loads((job.data / "manifest.json").read_bytes())["files"]]
    names = {shard["sha256"]: shard["name"] for shard in record["shards"]}
    assert len(names) == 3
    assert names.keys() <= set(published)
    passes = [(entry["epoch"], names[entry["shard"]]) for entry in record["passes"]]
    assert sorted(passes) == sorted((epoch, name) for epoch in range(1, EPOCHS + 1) for name in names.values())
    lineage = record["lineage"]
    assert all(a["checkpoint"] < b["checkpoint"] for a, b in itertools.pairwise(lineage)), lineage
    # The end of a round is a record of its own, at the step of a checkpoint that was there before.
    assert all(a["step"] < b["step"] for a, b in itertools.pairwise(lineage[:-1])), lineage
    assert lineage[-1]["step"] == record["step"] >= lineage[-2]["step"]
    # Each was trained to its end in the leg of the lineage to which its checkpoint belongs, as the frozen order says.
    plan = build(job.out / "rounds/00001/recipe.json")
    before: set[tuple[Any, Any]] = set()
    numbers = [0, *(entry["checkpoint"] for entry in lineage)]
    for entry, after in zip(lineage, numbers, strict=False):
        contained = {(one["epoch"], one["name"]) for one in plan.contained(entry["step"])}
        said = {
            (one["epoch"], names[one["shard"]]) for one in record["passes"] if after < one["checkpoint"] <= entry["checkpoint"]
        }
        assert said == contained - before, entry
        before = contained


def assert_what_was_done_again_is_reported(whole: Job, killed: Job, record: dict[str, Any]) -> None:
    losses = {event["step"]: event["loss"] for event in whole.events("progress")}
    made = [(event["step"], event["loss"]) for event in killed.events("progress")]
    assert all(losses[step] == loss for step, loss in made), "a step done again is the step that was lost"
    again = len(made) - len({step for step, _ in made})
    assert again <= record["redone_steps"] <= 2 * KILLS_OF_EACH * EVERY
    assert 1 < record["sessions"] <= 1 + 2 * KILLS_OF_EACH
    logged = (killed.out / "log.jsonl").read_text()
    assert (record["redone_steps"] > 0) == ("are done again" in logged)
