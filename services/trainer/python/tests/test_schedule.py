"""Rates are functions of the step."""

from typing import Any

import pytest

from longhand_trainer import recipe
from longhand_trainer.schedule import learning_rate

from .lab import Lab


def rates(lab: Lab, steps: int, **fields: Any) -> list[float]:
    shard = {"name": "s", "path": "s.jsonl", "format": "jsonl", "sha256": "0" * 64, "rows": 1}
    parsed = recipe.load(lab.recipe([shard], learning_rate=1.0, **fields))
    return [learning_rate(parsed, step, steps) for step in range(steps)]


def test_cosine_rises_for_three_percent_and_falls_towards_nothing(lab: Lab) -> None:
    found = rates(lab, 100)
    assert found[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert found[3:] == sorted(found[3:], reverse=True)
    assert 0 < found[-1] < 1e-3


def test_cosine_over_several_rounds_is_one_curve(lab: Lab) -> None:
    whole = rates(lab, 100)
    schedule = {"kind": "cosine", "total_steps": 100}
    parts = rates(lab, 40, schedule=schedule) + rates(lab, 60, schedule=schedule, round=2, start_step=40)
    assert parts == pytest.approx(whole)


def test_a_stream_is_warmed_up_once_and_decays_in_its_last_round(lab: Lab) -> None:
    wsd = {"kind": "wsd", "warmup_steps": 4}
    assert rates(lab, 3, schedule=wsd) == [0.25, 0.5, 0.75]
    assert rates(lab, 3, schedule=wsd, round=2, start_step=3) == [1.0, 1.0, 1.0]
    assert rates(lab, 4, schedule={**wsd, "decay_ratio": 0.5}, round=3, start_step=6) == pytest.approx([1, 1, 2 / 3, 1 / 3])
