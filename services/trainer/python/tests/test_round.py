"""Whole rounds: what they report, what a kill costs, what stops them, and what the next one starts from."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from longhand_trainer import checkpoint, stop
from longhand_trainer.train import Round

from .lab import Lab, Outcome, answers, change, preferences, run, run_and_kill, weights, write_jsonl, write_parquet


def shards(lab: Lab) -> list[dict[str, Any]]:
    return [write_parquet(lab.folder / "a.parquet", answers(10)), write_jsonl(lab.folder / "b.jsonl", answers(6))]


def equal_weights(a: Outcome, b: Outcome) -> bool:
    one, two = weights(a.one("done")["model_path"]), weights(b.one("done")["model_path"])
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_round_trains_every_token_once_per_epoch_and_says_so(lab: Lab) -> None:
    outcome = run(lab.recipe(shards(lab), epochs=2))
    assert outcome.code == 0
    kinds = [event["event"] for event in outcome.events]
    assert kinds[0] == "hello"
    assert kinds[-1] == "done"
    planned, done = outcome.one("plan"), outcome.one("done")
    steps = outcome.of("progress")
    assert [event["step"] for event in steps] == list(range(1, planned["steps"] + 1))
    assert (done["tokens"], done["target_tokens"]) == (planned["tokens"], planned["target_tokens"])
    assert (steps[-1]["tokens"], steps[-1]["target_tokens"]) == (planned["tokens"], planned["target_tokens"])
    assert done["shards"] == [{"name": n, "epoch": e} for e in (1, 2) for n in ("a.parquet", "b.jsonl")]
    assert done["losses"] == {"first": outcome.losses[1], "last": outcome.losses[planned["steps"]]}
    assert done["losses"]["last"] < done["losses"]["first"]
    (saved,) = outcome.of("checkpoint")
    assert saved["path"] == done["checkpoint"]
    index = json.loads((Path(saved["path"]) / "index.json").read_bytes())
    told = {name: value for name, value in saved.items() if name not in ("event", "path", "index_sha256")}
    assert told.items() <= index.items()


@pytest.mark.parametrize("kind", ["sft", "dpo", "lora"])
def test_a_round_resumed_after_a_kill_is_the_round_without_one(lab: Lab, kind: str) -> None:
    fields: dict[str, Any] = {"epochs": 2, "checkpoint_every": {"steps": 2}}
    if kind == "lora":
        fields |= {"tuning": {"kind": "lora", "r": 4, "dropout": 0.1}, "template": "llama3", "optimizer": {"weight_decay": 0}}
    data = shards(lab)
    if kind == "dpo":
        fields |= {"kind": "dpo", "learning_rate": 1e-3}
        data = [write_jsonl(lab.folder / "p.jsonl", preferences())]
    whole = run(lab.recipe(data, "whole", **fields))
    path = lab.recipe(data, "killed", **fields)
    killed = run_and_kill(path, "progress", 5)
    last = killed.of("checkpoint")[-1]
    assert last["step"] == 4
    resumed = run(change(path, resume_from=last["path"]))
    assert resumed.code == 0
    assert {**killed.losses, **resumed.losses} == whole.losses
    assert min(resumed.losses) == 5
    assert killed.losses[5] == resumed.losses[5]
    assert equal_weights(whole, resumed)
    assert resumed.one("done")["losses"] == whole.one("done")["losses"]
    assert resumed.one("done")["tokens"] == whole.one("done")["tokens"]


def test_a_kill_after_the_last_checkpoint_costs_no_step(lab: Lab) -> None:
    path = lab.recipe(shards(lab))
    steps = run(path).one("plan")["steps"]
    killed = run_and_kill(path, "checkpoint", steps)
    (lab.folder / "round" / "checkpoints" / ".step-00000099.tmp").mkdir()
    resumed = run(change(path, resume_from=killed.one("checkpoint")["path"]))
    assert not resumed.of("progress")
    assert not resumed.of("checkpoint")
    assert resumed.one("done")["checkpoint"] == killed.one("checkpoint")["path"]
    assert resumed.one("done")["losses"]["first"] == killed.losses[1]
    assert [folder.name for folder in (lab.folder / "round" / "checkpoints").iterdir()] == [f"step-{steps:08d}"]


def test_the_two_newest_checkpoints_stay_and_later_ones_go_on_resume(lab: Lab) -> None:
    path = lab.recipe(shards(lab), checkpoint_every={"steps": 1})
    outcome = run(path)
    steps = outcome.one("plan")["steps"]
    folder = lab.folder / "round"
    assert [c.name for c in checkpoint.complete(folder)] == [checkpoint.name_of(steps - 1), checkpoint.name_of(steps)]
    again = run(change(path, resume_from=outcome.of("checkpoint")[-2]["path"], checkpoint_every={"steps": None}))
    assert again.losses == {steps: outcome.losses[steps]}


def test_asked_to_stop_it_writes_a_checkpoint_and_goes_on_from_there(lab: Lab) -> None:
    path = lab.recipe(shards(lab))

    def ask(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["step"] == 2:
            stop.request()

    stopped = run(path, on_line=ask)
    assert stopped.code == 143
    assert stopped.events[-1] == {"schema": 1, "event": "stopped", "step": 2, "checkpoint": stopped.one("checkpoint")["path"]}
    resumed = run(change(path, resume_from=stopped.events[-1]["checkpoint"]))
    assert stopped.losses | resumed.losses == run(lab.recipe(shards(lab), "whole")).losses


def test_asked_to_stop_before_the_first_step_there_is_nothing_to_write(lab: Lab) -> None:
    stopped = run(lab.recipe(shards(lab)), on_line=lambda event: stop.request() if event["event"] == "plan" else None)
    assert stopped.events[-1] == {"schema": 1, "event": "stopped", "step": 0, "checkpoint": None}


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_not_applied(lab: Lab, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    original = Round.gradients

    def broken(self: Round, packs: Any) -> tuple[float, dict[str, float]]:
        loss, metrics = original(self, packs)
        if len(self.sums) > 3:  # the fourth step
            parameter = next(p for p in self.module.parameters() if p.grad is not None)
            assert parameter.grad is not None
            if what == "gradient":
                parameter.grad[0] = math.inf
            else:
                loss = math.nan
        return loss, metrics

    monkeypatch.setattr(Round, "gradients", broken)
    outcome = run(lab.recipe(shards(lab), checkpoint_every={"steps": 2}))
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (1, "nan")
    assert f"the {what} of step 4" in error["message"]
    assert error["last_checkpoint"] == outcome.of("checkpoint")[-1]["path"]
    assert outcome.of("checkpoint")[-1]["step"] == 2
    checkpoint.read_index(Path(error["last_checkpoint"]))


def test_out_of_memory_keeps_the_last_checkpoint_and_says_what_helps(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Round.step

    def full(self: Round, index: int) -> dict[str, Any]:
        if index == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return original(self, index)

    monkeypatch.setattr(Round, "step", full)
    error = run(lab.recipe(shards(lab), checkpoint_every={"steps": 2})).one("error")
    assert error["code"] == "out_of_memory"
    assert "LoRA, offload or a smaller max_length" in error["message"]
    assert error["last_checkpoint"].endswith("step-00000002")


def test_a_damaged_checkpoint_is_refused(lab: Lab) -> None:
    path = lab.recipe(shards(lab))
    folder = Path(run(path).one("done")["checkpoint"])
    part = next((folder / "state").glob("*.distcp"))
    whole = part.read_bytes()
    change(path, resume_from=str(folder))
    for damage in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), None):
        part.unlink() if damage is None else part.write_bytes(damage)
        error = run(path).one("error")
        assert error["code"] == "bad_checkpoint"
        assert "use the one before" in error["message"]


def test_a_checkpoint_of_another_recipe_or_other_rows_is_refused(lab: Lab) -> None:
    path = lab.recipe(shards(lab))
    folder = run(path).one("done")["checkpoint"]
    for changed, named in [({"learning_rate": 2e-3}, "learning_rate"), ({"data": {"shards": shards(lab)[:1]}}, "data")]:
        error = run(lab.recipe(shards(lab), "other", resume_from=folder, **{k: v for k, v in changed.items() if k != "data"}))
        if "data" in changed:
            error = run(lab.recipe(shards(lab)[:1], "other", resume_from=folder))
        assert error.one("error")["code"] == "bad_recipe"
        assert error.one("error")["message"].startswith(named)


def test_the_next_round_goes_on_with_weights_optimizer_and_schedule(lab: Lab) -> None:
    first, second = shards(lab)
    wsd = {"kind": "wsd", "warmup_steps": 3}
    one = run(lab.recipe([first], "one", schedule=wsd)).one("done")
    more: dict[str, Any] = {"round": 2, "continue_from": one["checkpoint"], "start_step": one["steps"]}
    two = run(lab.recipe([second], "two", schedule={**wsd, "decay_ratio": 1.0}, **more))
    cold = run(lab.recipe([second], "cold", round=2, schedule=wsd))
    assert two.losses[1] < cold.losses[1]
    rates = [event["learning_rate"] for event in two.of("progress")]
    count = len(rates)
    assert rates == pytest.approx([1e-3 * (count - i) / (count + 1) for i in range(count)])
    assert [event["learning_rate"] for event in cold.of("progress")][:3] == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3][:count])


def test_dpo_starts_at_ln_2_and_learns_the_preference(lab: Lab) -> None:
    outcome = run(lab.recipe([write_jsonl(lab.folder / "p.jsonl", preferences())], kind="dpo", epochs=6))
    steps = outcome.of("progress")
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert steps[0]["metrics"]["margin"] == pytest.approx(0, abs=1e-6)
    assert steps[-1]["loss"] < 0.5
    assert steps[-1]["metrics"]["margin"] > 0.3
    assert steps[-1]["metrics"]["accuracy"] == 1.0
