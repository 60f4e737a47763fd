"""The three formulas against the vectors of packing.json, and token losses on chunked logits."""

import json
import math
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch.nn import functional

from longhand_trainer.loss import document_losses, weights
from longhand_trainer.recipe import Formula

VECTORS = json.loads((Path(__file__).parent / "packing.json").read_text())
PACKS = [["A", "B"], ["C", "D"]]


def losses_of(pack: list[str]) -> torch.Tensor:
    """The summed losses of a pack whose tokens have the mean loss of the vectors, through real logits."""
    targets = [VECTORS["sequences"][name][1] for name in pack]
    means = [VECTORS["mean_loss_per_target"][name] for name in pack]
    # Two tokens with logits (x, 0): the loss of the first is log(1 + exp(-x)).
    x = torch.tensor([-math.log(math.expm1(mean)) for mean, count in zip(means, targets, strict=True) for _ in range(count)])
    hidden = torch.stack([x, torch.zeros_like(x)], dim=1)
    document = torch.repeat_interleave(torch.arange(len(pack)), torch.tensor(targets))
    return document_losses(hidden, lambda h: h, torch.zeros(len(x), dtype=torch.int64), document, len(pack), chunk=2)


@pytest.mark.parametrize("formula", get_args(Formula))
def test_formulas_give_the_losses_of_the_vectors(formula: Formula) -> None:
    counts = [[VECTORS["sequences"][name][1] for name in pack] for pack in PACKS]
    by_pack = weights(formula, counts)
    loss = sum(float((losses_of(pack) * torch.tensor(w)).sum()) for pack, w in zip(PACKS, by_pack, strict=True))
    assert loss == pytest.approx(VECTORS["loss"][formula], abs=1e-6)
    assert loss != pytest.approx(VECTORS["mean_of_packs"], abs=1e-3)


def test_documents_without_targets_do_not_count() -> None:
    assert weights("sequence_averaged", [[4, 0], [2]]) == [[1 / 8, 0.0], [1 / 4]]
    assert weights("token_averaged", [[4, 0], [2]]) == [[1 / 6, 0.0], [1 / 6]]
    assert weights("released", [[4, 0], [2]]) == [[1 / (30 * 2 * 4), 0.0], [1 / (30 * 2 * 2)]]


def test_chunks_change_neither_loss_nor_gradient() -> None:
    torch.manual_seed(0)
    head = torch.randn(50, 8)
    targets = torch.randint(0, 50, (11,))
    document = torch.tensor([0] * 4 + [1] * 7)

    def both(hidden: torch.Tensor, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = hidden.clone().requires_grad_(True)
        sums = document_losses(hidden, lambda h: h @ head.T, targets, document, 2, chunk)
        (sums * torch.tensor([1.0, 3.0])).sum().backward()
        assert hidden.grad is not None
        return sums.detach(), hidden.grad

    hidden = torch.randn(11, 8)
    whole = functional.cross_entropy(hidden @ head.T, targets, reduction="none")
    for chunk in (3, 11, 1024):
        sums, gradient = both(hidden, chunk)
        torch.testing.assert_close(sums, torch.stack([whole[:4].sum(), whole[4:].sum()]))
        torch.testing.assert_close(gradient, both(hidden, 1024)[1])


def test_logits_never_exist_for_more_than_a_chunk() -> None:
    rows: list[int] = []

    def head(part: torch.Tensor) -> torch.Tensor:
        rows.append(part.shape[0])
        return part @ torch.ones(4, 6)

    hidden = torch.randn(10, 4, requires_grad=True)
    document_losses(hidden, head, torch.zeros(10, dtype=torch.int64), torch.zeros(10, dtype=torch.int64), 1, 4).sum().backward()
    assert sorted(rows) == [2, 2, 4, 4, 4, 4]  # forward, and again in the backward pass
