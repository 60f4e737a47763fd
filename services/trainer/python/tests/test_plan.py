"""Packing, order, and that every token is either trained or listed."""

import json
from pathlib import Path

import numpy as np
import pytest

from longhand_trainer import launch, plan, recipe
from longhand_trainer.documents import Documents, DocumentsBuilder
from longhand_trainer.errors import TrainingError
from longhand_trainer.model import load_tokenizer
from longhand_trainer.plan import Plan
from longhand_trainer.template import Encoder, choose

from .lab import Lab, answers, change, chat, preferences, run, write_jsonl, write_parquet

VECTORS = json.loads((Path(__file__).parent / "packing.json").read_text())


def build(path: Path) -> Plan:
    loaded = recipe.load(path)
    tokenizer = load_tokenizer(loaded)
    return plan.build(loaded, Encoder(tokenizer, choose(tokenizer, loaded.template)))


def documents(lengths: list[tuple[int, int]]) -> Documents:
    builder = DocumentsBuilder()
    for row, (prompt, target) in enumerate(lengths):
        ids = np.full(prompt + target, row, np.int32)
        builder.add(0, row, ids, np.arange(prompt + target) >= prompt)
    return builder.build()


def test_packs_of_the_vectors_with_the_last_one() -> None:
    found = documents([tuple(value) for value in VECTORS["sequences"].values()])
    assert list(plan.next_fit(list(range(5)), found, VECTORS["max_length"])) == [[0, 1], [2, 3], [4]]
    assert found.target_counts().tolist() == [2, 4, 1, 3, 1]
    full = documents([(4, 1), (4, 1), (1, 1)])
    assert list(plan.next_fit([0, 1, 2], full, 10)) == [[0, 1], [2]]


def test_all_rows_are_trained_or_listed(lab: Lab) -> None:
    rows = answers(9)
    rows[3] = chat("Write much.", "The sea is grey. " * 60)
    rows[5] = {"messages": [{"role": "user", "content": "only a question"}]}
    rows[6] = {"messages": "no list"}
    rows[7] = chat("Stop early.", "The sea<|im_end|> is grey.")
    path = lab.recipe([write_jsonl(lab.folder / "a.jsonl", rows)], epochs=3)
    built = build(path)
    assert [(row.row, row.reason) for row in built.skipped] == [
        (3, "too_long"),
        (5, "no_target"),
        (6, "bad_row"),
        (7, "special_token"),
    ]
    tokenizer = load_tokenizer(recipe.load(path))
    kept = [row for index, row in enumerate(rows) if index not in (3, 5, 6, 7)]
    tokens = sum(len(tokenizer.apply_chat_template(row["messages"])["input_ids"]) for row in kept)
    assert built.tokens(built.packs) == 3 * tokens
    assert sum(built.tokens(built.step(index)) for index in range(built.steps)) == 3 * tokens
    for epoch in (1, 2, 3):
        trained = sorted(d for pack in built.packs if pack.epoch == epoch for d in pack.documents)
        assert trained == list(range(len(kept)))
    assert max(built.tokens([pack]) for pack in built.packs) <= 128

    outcome = run(path, launch.plan)
    event = outcome.one("plan")
    assert outcome.code == 0
    assert event["skipped"]["reasons"] == {"too_long": 1, "no_target": 1, "bad_row": 1, "special_token": 1}
    assert (event["rows"], event["tokens"], event["order_sha256"]) == (3 * len(kept), 3 * tokens, built.order_sha256)
    listed = [json.loads(line) for line in Path(event["skipped"]["path"]).read_text().splitlines()]
    assert listed[0] == {"name": "a.jsonl", "row": 3, "id": None, "reason": "too_long", "tokens": listed[0]["tokens"]}
    assert listed[0]["tokens"] > 128
    assert any("4 rows are skipped" in warning["message"] for warning in outcome.of("warning"))
    assert [s["target"] for s in event["example"]["segments"]] == [False, True, False]
    assert event["example"]["segments"][1]["text"].endswith("<|im_end|>")


def test_the_order_is_a_function_of_seed_round_and_data(lab: Lab) -> None:
    shard = write_parquet(lab.folder / "a.parquet", answers())
    first = build(lab.recipe([shard], epochs=2))
    again = build(lab.recipe([shard], "elsewhere", epochs=2, processes=2, checkpoint_every={"steps": 1}))
    assert again.order_sha256 == first.order_sha256
    assert [p.documents for p in again.packs] == [p.documents for p in first.packs]
    assert build(lab.recipe([shard], epochs=2, seed=1)).order_sha256 != first.order_sha256
    assert build(lab.recipe([shard], epochs=2, round=2)).order_sha256 != first.order_sha256
    epochs = [[d for p in first.packs if p.epoch == epoch for d in p.documents] for epoch in (1, 2)]
    assert epochs[0] != epochs[1]


def test_general_data_counts_by_weight(lab: Lab) -> None:
    shard = write_jsonl(lab.folder / "a.jsonl", answers(4))
    general = write_jsonl(lab.folder / "general.jsonl", [{"prompt": f"{i}?", "completion": f"{i}!"} for i in range(8)])
    for weight, times in [(1, 8), (0.25, 2), (2.5, 20)]:
        built = build(lab.recipe([shard], general=[general | {"weight": weight}], epochs=2))
        for epoch in (1, 2):
            drawn = [d for p in built.packs if p.epoch == epoch for d in p.documents]
            sources = [int(built.documents.source[d]) for d in drawn]
            assert (sources.count(0), sources.count(1)) == (4, times)
    assert all(contained["name"] == "a.jsonl" for contained in built.contained(built.steps))


def test_a_shard_is_contained_once_its_last_row_is_trained(lab: Lab) -> None:
    shards = [write_jsonl(lab.folder / f"{name}.jsonl", answers(count)) for name, count in [("a", 3), ("b", 5), ("c", 0)]]
    built = build(lab.recipe(shards, epochs=2, packs_per_step=1))
    for step in range(built.steps + 1):
        left = {(int(built.documents.source[d]), p.epoch) for p in built.packs[step:] for d in p.documents}
        contained = {(str(c["name"]), c["epoch"]) for c in built.contained(step)}
        for source, name in enumerate(["a.jsonl", "b.jsonl"]):
            for epoch in (1, 2):
                assert ((name, epoch) in contained) == ((source, epoch) not in left)
    assert len(built.contained(built.steps)) == 6


@pytest.mark.parametrize("damage", ["altered", "cut", "missing", "count"])
def test_a_shard_that_is_not_the_one_of_the_recipe_is_refused(lab: Lab, damage: str) -> None:
    path = lab.folder / "a.parquet"
    shard = write_parquet(path, answers())
    data = bytearray(path.read_bytes())
    if damage == "altered":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "missing":
        path.unlink()
    else:
        shard["rows"] += 1
    outcome = run(lab.recipe([shard]))
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (1, "bad_shard")
    assert "a.parquet" in error["message"]
    assert not outcome.of("plan")


def test_nothing_to_train_on_is_an_error(lab: Lab) -> None:
    shard = write_jsonl(lab.folder / "a.jsonl", answers(3))
    with pytest.raises(TrainingError, match="no row is left to train on"):
        build(lab.recipe([shard], max_length=8))


def test_a_model_with_too_few_positions_is_an_error(lab: Lab) -> None:
    path = lab.recipe([write_jsonl(lab.folder / "a.jsonl", answers(3))], max_length=1025)
    error = run(path, launch.plan).one("error")
    assert error["code"] == "too_long_for_model"
    assert "1025" in error["message"]
    assert "1024" in error["message"]
    assert run(change(path, max_length=1024), launch.plan).code == 0


def test_a_round_that_cannot_fit_names_the_ways_out(lab: Lab) -> None:
    path = lab.recipe([write_jsonl(lab.folder / "a.jsonl", answers(3))], memory_limit_bytes=1_000_000)
    error = run(path, launch.plan).one("error")
    assert error["code"] == "out_of_memory"
    assert "LoRA or offload or a smaller max_length" in error["message"]


def test_preferences_as_trl_reads_them(lab: Lab) -> None:
    explicit = preferences(4)
    implicit = [{"chosen": r["prompt"] + r["chosen"], "rejected": r["prompt"] + r["rejected"]} for r in explicit]
    texts = [{name: r[name][0]["content"] for name in ("prompt", "chosen", "rejected")} for r in explicit]
    plans = [build(lab.recipe([write_jsonl(lab.folder / "p.jsonl", rows)], kind="dpo")) for rows in (explicit, implicit, texts)]
    for built in plans:
        assert [len(pack.documents) for pack in built.packs] == [2] * 4
        np.testing.assert_array_equal(built.documents.tokens, plans[0].documents.tokens)
        np.testing.assert_array_equal(built.documents.targets, plans[0].documents.targets)
    bad = [{"prompt": "a", "chosen": "b", "rejected": "b"}, {"prompt": "a", "chosen": "b"}, *texts]
    built = build(lab.recipe([write_jsonl(lab.folder / "p.jsonl", bad)], kind="dpo"))
    assert [(row.row, row.reason) for row in built.skipped] == [(0, "bad_row"), (1, "bad_row")]


def test_earlier_answers_of_a_preference_are_no_targets(lab: Lab) -> None:
    talk = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Sea?"}]
    row = {
        "prompt": talk,
        "chosen": [{"role": "assistant", "content": "Grey."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    path = lab.recipe([write_jsonl(lab.folder / "p.jsonl", [row])], kind="dpo")
    built = build(path)
    tokenizer = load_tokenizer(recipe.load(path))
    texts = [tokenizer.decode(built.documents.ids(d)[built.documents.mask(d)].tolist()) for d in (0, 1)]
    assert texts == ["Grey.<|im_end|>", "No.<|im_end|>"]
