"""Two processes train what one does: the same loss, gradients and steps, also when they hold unequal numbers of targets."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from longhand_trainer import launch, recipe
from longhand_trainer.train import Round

from .lab import Lab, Row, chat, processes, write_jsonl

# One long answer and one short: the processes of a step of two packs hold quite different numbers of targets.
TWO = [chat("Write.", "The sea is grey. " * 3), chat("Write of the sea and of the pier.", "No.")]
THREE = [*TWO, chat("Write.", "The boat is grey too. " * 2)]
CASES: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "token_averaged": (TWO, {"loss": "token_averaged"}),
    "sequence_averaged": (TWO, {"loss": "sequence_averaged"}),
    "released": (TWO, {"loss": "released"}),
    "three packs": (THREE, {}),
    "sharded weights": (THREE, {"sharding": "fsdp"}),
}


def gradients(path: Path) -> dict[str, Any]:
    """The loss and gradients of the first step, as this process sees them."""
    p = launch.prepare(recipe.load(path))
    current = Round(p.recipe, p.plan, p.encoder, p.setup, p.kind, p.new_tokens)
    loss, _ = current.gradients(p.plan.step(0))
    found: dict[str, Any] = {}
    for name, parameter in current.packed.named_parameters():
        grad = parameter.grad
        found[name] = grad.full_tensor() if hasattr(grad, "full_tensor") else grad
    return {"loss": loss, "gradients": found}


def one_of_two(rank: int, port: int, paths: list[Path], out: Path) -> None:
    place = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= place
    torch.set_num_threads(1)
    found = [gradients(path) for path in paths]
    if rank == 0:
        torch.save(found, out)
    dist.destroy_process_group()


def test_two_processes_have_the_loss_and_gradients_of_one_with_accumulation(lab: Lab) -> None:
    alone, together = [], []
    for name, (rows, fields) in CASES.items():
        shard = write_jsonl(lab.folder / f"{name}.jsonl", rows)
        shape = {"max_length": 64, "packs_per_step": len(rows)}
        together.append(lab.recipe([shard], name, processes=2, **shape, **fields))
        alone.append(lab.recipe([shard], f"{name} alone", processes=1, **shape, **{**fields, "sharding": "none"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = lab.folder / "out.pt"
    started = [processes.Process(target=one_of_two, args=(rank, port, together, out)) for rank in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(180)
    assert [process.exitcode for process in started] == [0, 0]
    losses: list[float] = []
    for name, path, two in zip(CASES, alone, torch.load(out), strict=True):
        one = gradients(path)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-6), name
        torch.testing.assert_close(two["gradients"], one["gradients"], atol=1e-7, rtol=1e-5)
        losses.append(one["loss"])
    assert len({round(loss, 4) for loss in losses[:3]}) == 3  # the formulas differ here
