"""The loop of a round: steps over frozen packs, on one process or several, from the start or from a checkpoint.

A step is a function of weights, optimizer, packs and step number alone: no random state is carried, dropout is seeded by the
step. So a resumed round does what the uninterrupted one would have done.
"""

import contextlib
import math
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from . import checkpoint, events, stop
from .errors import Stopped, TrainingError
from .estimate import Setup
from .loss import weights
from .model import PackedModel, PackTensors, load_model, pack_tensors, prepare, seed
from .plan import Pack, Plan
from .recipe import Recipe
from .saving import save_model
from .schedule import learning_rate
from .template import Encoder


@dataclass(frozen=True)
class Place:
    """This process among those of the round."""

    rank: int
    processes: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0


def join() -> Place:
    """Joins the processes of the round, which the launcher names in the environment."""
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    if processes > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return Place(rank, processes, device)


class Round:
    """Everything that the steps of a round need."""

    def __init__(self, recipe: Recipe, plan: Plan, encoder: Encoder, setup: Setup, kind: str, new_tokens: bool) -> None:
        self.recipe = recipe
        self.plan = plan
        self.encoder = encoder
        self.setup = setup
        self.place = join()
        self.output = Path(recipe.output_dir)
        self.counts = plan.documents.target_counts()
        dtype = torch.bfloat16 if setup.bf16 and recipe.tuning.kind == "lora" else torch.float32
        model = load_model(recipe, len(encoder.tokenizer), dtype, kind)
        prepare(model, recipe, new_tokens)
        model.train()
        if setup.recompute:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        self.module = self._distribute(PackedModel(model, kind))
        self.optimizer = self._optimizer()
        self.reference: np.ndarray[Any, np.dtype[np.float32]] | None = None
        self.last_checkpoint: str | None = recipe.resume_from
        self.first_loss: float | None = None
        self.last_loss: float | None = None
        self.sums = [(0, 0)]

    # --- layout

    def _distribute(self, packed: PackedModel) -> nn.Module:
        if self.setup.sharded:
            return self._shard(packed)
        packed.to(self.place.device)
        if self.place.processes == 1:
            return packed
        devices = [self.place.device.index] if self.place.device.type == "cuda" else None
        return DistributedDataParallel(packed, device_ids=devices, broadcast_buffers=False)

    def _shard(self, packed: PackedModel) -> nn.Module:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

        mesh = init_device_mesh(self.place.device.type, (self.place.processes,))
        mixed = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if self.setup.bf16 else MixedPrecisionPolicy()
        offload = CPUOffloadPolicy() if self.recipe.offload else OffloadPolicy()
        names = set(getattr(packed.model, "_no_split_modules", None) or ())
        layers = [module for module in packed.modules() if type(module).__name__ in names]
        for layer in [*layers, packed]:
            fully_shard(layer, mesh=mesh, mp_policy=mixed, offload_policy=offload)
        return packed

    def _optimizer(self) -> torch.optim.Optimizer:
        trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},  # norms and biases
        ]
        groups = [group for group in groups if group["params"]]
        return torch.optim.AdamW(groups, lr=self.recipe.learning_rate_, betas=self.recipe.betas)

    @property
    def packed(self) -> PackedModel:
        inner = self.module.module if isinstance(self.module, DistributedDataParallel) else self.module
        assert isinstance(inner, PackedModel)
        return inner

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.place.device.type, torch.bfloat16) if self.setup.bf16 else contextlib.nullcontext()

    # --- before the first step

    def check(self) -> None:
        """Raises `bad_recipe` if this model does not keep packed documents apart, or makes logits in its own way."""
        packed = self.packed
        packed.eval()
        with torch.no_grad(), self._autocast():
            problem = packed(None)
        packed.train()
        if problem is not None:
            raise TrainingError("bad_recipe", problem)

    def start(self) -> int:
        """Weights and optimizer as the recipe wants them; the steps that are done."""
        if self.recipe.kind == "dpo":
            self.reference = self._reference()
        source = self.recipe.resume_from or self.recipe.continue_from
        if source is None:
            return 0
        index = checkpoint.read_index(Path(source))
        if self.recipe.resume_from is None:
            checkpoint.load(Path(source), self.module, self.optimizer)
            return 0
        _same_round(index, self.recipe, self.plan)
        checkpoint.load(Path(source), self.module, self.optimizer)
        self.first_loss, self.last_loss = index["first_loss"], index["loss"]
        return int(index["step"])

    def _reference(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The base model's loss of every document, before anything is trained; kept in the folder of the round."""
        path = self.output / f"reference-{self.plan.order_sha256[:16]}.npy"
        if path.exists():
            return np.asarray(np.load(path))
        pairs = [[document, document + 1] for document in range(0, len(self.plan.documents), 2)]
        found = torch.zeros(len(self.plan.documents), dtype=torch.float32)
        self.module.eval()
        with torch.no_grad():
            for members, pack in self._mine(pairs):
                with self._autocast():
                    losses = self.module(pack)
                if members:
                    found[members] = losses.cpu()
        self.module.train()
        if self.place.processes > 1:
            dist.all_reduce(found)
        if self.place.first:
            temporary = path.with_suffix(".tmp")
            with temporary.open("wb") as file:
                np.save(file, found.numpy())
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        return found.numpy()

    # --- a step

    def _mine(self, packs: list[list[int]]) -> Iterator[tuple[list[int], PackTensors]]:
        """The packs of this process. All processes get as many: one that has none takes part with an empty one."""
        for first in range(0, len(packs), self.place.processes):
            at = first + self.place.rank
            if at < len(packs):
                yield packs[at], pack_tensors(self.plan.documents, packs[at], self.place.device)
            else:
                yield [], _empty(self.place.device, len(packs[0]))

    def gradients(self, packs: list[Pack]) -> tuple[float, dict[str, float]]:
        """Adds the gradients of a step; its loss, and what else is worth a line, over all processes."""
        members = [pack.documents for pack in packs]
        by_pack = weights(self.recipe.loss, [[int(self.counts[d]) for d in documents] for documents in members])
        weight = {
            document: w for documents, ws in zip(members, by_pack, strict=True) for document, w in zip(documents, ws, strict=True)
        }
        total = torch.zeros(5, dtype=torch.float64)
        rounds = math.ceil(len(packs) / self.place.processes)
        for number, (documents, pack) in enumerate(self._mine(members)):
            last = number + 1 == rounds
            hold = (
                contextlib.nullcontext()
                if last or not isinstance(self.module, DistributedDataParallel)
                else self.module.no_sync()
            )
            with hold:
                with self._autocast():
                    losses = self.module(pack)
                if not documents:
                    loss = losses.sum() * 0.0
                elif self.recipe.kind == "sft":
                    loss = (losses * torch.tensor([weight[d] for d in documents], device=losses.device)).sum()
                else:
                    loss = self._preference(losses, documents, len(packs), total)
                # The processes' gradients are averaged; the weights already count all of them.
                (loss * self.place.processes).backward()
                total[0] += loss.detach().double().cpu()
        if self.place.processes > 1:
            dist.all_reduce(total)
        names = ("accuracy", "margin", "chosen_reward", "rejected_reward")
        metrics = {n: float(v) for n, v in zip(names, total[1:], strict=True)} if self.recipe.kind == "dpo" else {}
        return float(total[0]), metrics

    def _preference(self, losses: Tensor, documents: list[int], pairs: int, total: Tensor) -> Tensor:
        """The sigmoid loss of a pair; log-probabilities are the negated losses."""
        assert self.reference is not None
        reference = torch.from_numpy(self.reference[documents]).to(losses.device)
        rewards = self.recipe.dpo.beta * (reference - losses)
        margin = rewards[0] - rewards[1]
        loss = -functional.logsigmoid(margin)
        if self.recipe.dpo.sft_weight:
            loss = loss + self.recipe.dpo.sft_weight * losses[0] / int(self.counts[documents[0]])
        seen = torch.stack([(margin > 0).float(), margin, rewards[0], rewards[1]]).detach().double().cpu()
        total[1:] += seen / pairs
        return loss / pairs

    def step(self, index: int) -> dict[str, Any]:
        """One optimizer step; the fields of its progress event. A loss or gradient that is not finite changes nothing."""
        began = time.monotonic()
        packs = self.plan.step(index)
        torch.manual_seed(seed(self.recipe, "dropout", self.recipe.round, index, self.place.rank))
        self.optimizer.zero_grad(set_to_none=True)
        loss, metrics = self.gradients(packs)
        trained = [parameter for parameter in self.module.parameters() if parameter.grad is not None]
        norm = nn.utils.clip_grad_norm_(trained, self.recipe.optimizer.max_grad_norm)
        norm_value = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        if not math.isfinite(loss) or not math.isfinite(norm_value):
            what = "loss" if not math.isfinite(loss) else "gradient"
            raise TrainingError(
                "nan",
                f"the {what} of step {index + 1} is not finite; the step was not applied: try a lower learning rate",
            )
        rate = learning_rate(self.recipe, index, self.plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.first_loss = loss if self.first_loss is None else self.first_loss
        self.last_loss = loss
        tokens = self.plan.tokens(packs)
        return {
            "step": index + 1,
            "of": self.plan.steps,
            "epoch": packs[0].epoch,
            "loss": loss,
            "learning_rate": rate,
            "grad_norm": norm_value,
            "tokens_per_second": tokens / max(time.monotonic() - began, 1e-9),
            "memory_bytes": self._memory(),
            "metrics": metrics,
        }

    def _memory(self) -> int:
        if self.place.device.type == "cuda":
            peak = torch.tensor(torch.cuda.max_memory_allocated(self.place.device), dtype=torch.float64)
        else:
            peak = torch.tensor(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, dtype=torch.float64)
        if self.place.processes > 1:
            dist.all_reduce(peak, op=dist.ReduceOp.MAX)
        return int(peak)

    # --- the loop

    def run(self) -> dict[str, Any]:
        """All steps of the round from where it is; the fields of `done`. Raises `Stopped` after a checkpoint if asked to stop."""
        self.check()
        done = start = self.start()
        if self.place.first:
            checkpoint.remove_after(self.output, start)
        saved, saved_time = (start if self.recipe.resume_from else -1), time.monotonic()
        while True:
            stopping, due = self._agree(stop.requested(), self._due(done, saved, saved_time))
            finished = done == self.plan.steps
            if done != saved and (finished or (done > start and (due or stopping))):
                self._checkpoint(done)
                saved, saved_time = done, time.monotonic()
            if finished:
                break
            if stopping:
                raise Stopped(done, self.last_checkpoint)
            fields = self.step(done)
            done += 1
            if self.place.first:
                events.emit("progress", **fields, **self._trained(done))
        path, sha256 = self._save_model()
        return {
            "steps": done,
            **self._trained(done),
            "model_path": path,
            "model_sha256": sha256,
            "checkpoint": self.last_checkpoint,
            "losses": {"first": self.first_loss, "last": self.last_loss},
            "shards": self.plan.contained(done),
            "order_sha256": self.plan.order_sha256,
        }

    def _due(self, done: int, saved: int, saved_time: float) -> bool:
        every = self.recipe.checkpoint_every
        by_steps = every.steps is not None and done % every.steps == 0
        by_time = every.seconds is not None and time.monotonic() - saved_time >= every.seconds
        return done > max(saved, 0) and (by_steps or by_time)

    def _trained(self, done: int) -> dict[str, int]:
        """Tokens and targets of the first `done` steps, whichever process did them."""
        while len(self.sums) <= done:
            packs = self.plan.step(len(self.sums) - 1)
            targets = int(self.counts[[document for pack in packs for document in pack.documents]].sum())
            tokens, before = self.sums[-1]
            self.sums.append((tokens + self.plan.tokens(packs), before + targets))
        return dict(zip(("tokens", "target_tokens"), self.sums[done], strict=True))

    def _agree(self, stopping: bool, due: bool) -> tuple[bool, bool]:
        """All processes stop if one was asked to; the first one's clock says when a checkpoint is due."""
        if self.place.processes == 1:
            return stopping, due
        flags = torch.tensor([stopping, due and self.place.first], dtype=torch.int32)
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags[0]), bool(flags[1])

    def _checkpoint(self, done: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        fields = {
            "order_sha256": self.plan.order_sha256,
            "shards": self.plan.contained(done),
            **self._trained(done),
            "loss": self.last_loss,
        }
        more = {"first_loss": self.first_loss, "round": self.recipe.round, "recipe": self.recipe.training_fields()}
        index = {"schema": 1, "step": done, **fields, **more}
        folder, digest = checkpoint.save(self.output, done, self.module, self.optimizer, index)
        self.last_checkpoint = str(folder)
        if self.place.first:
            events.emit("checkpoint", step=done, path=str(folder), index_sha256=digest, **fields)
            checkpoint.keep_newest(self.output, self.recipe.keep_checkpoints)

    def _save_model(self) -> tuple[str | None, str | None]:
        if not self.recipe.save_model:
            return None, None
        options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        trained = get_model_state_dict(self.module, options=options)
        if not self.place.first:
            return None, None
        named = {name.removeprefix("model."): value for name, value in trained.items() if isinstance(value, Tensor)}
        folder = self.output / "model"
        return str(folder), save_model(folder, self.recipe, self.encoder, named)


def _empty(device: torch.device, documents: int) -> PackTensors:
    """A pack of documents of two tokens, to keep in step with the other processes; its loss is not used."""
    zeros = torch.zeros(2 * documents, dtype=torch.int64, device=device)
    each = torch.arange(documents, device=device)
    return PackTensors(
        zeros[None],
        torch.arange(2, device=device).repeat(documents)[None],
        2 * each,
        zeros[:documents],
        each,
        [2] * documents,
    )


def _same_round(index: dict[str, Any], recipe: Recipe, plan: Plan) -> None:
    """Raises `bad_recipe` if a checkpoint is of other data, another order or another recipe."""
    old, new = index["recipe"], recipe.training_fields()
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            raise TrainingError(
                "bad_recipe", f"{name} is not what the checkpoint to resume from was made with: start the round anew"
            )
    if index["order_sha256"] != plan.order_sha256:
        raise TrainingError("bad_recipe", "the order of rows is not that of the checkpoint to resume from: start the round anew")


def run(recipe: Recipe, plan: Plan, encoder: Encoder, setup: Setup, kind: str, new_tokens: bool) -> dict[str, Any]:
    """A round on this process; see `Round.run`. Whatever goes wrong becomes a `TrainingError` with the last checkpoint."""
    current: Round | None = None
    try:
        current = Round(recipe, plan, encoder, setup, kind, new_tokens)
        return current.run()
    except Stopped:
        raise
    except Exception as error:
        failed = as_training_error(error)
        failed.last_checkpoint = current.last_checkpoint if current else recipe.resume_from
        raise failed from error


def as_training_error(error: Exception) -> TrainingError:
    if isinstance(error, TrainingError):
        return error
    text = str(error).strip().splitlines()
    first = text[0] if text else ""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in first:
        return TrainingError("out_of_memory", "the memory is full: use LoRA, offload or a smaller max_length")
    return TrainingError("internal", f"{type(error).__name__}: {first}")
