"""The recipe in code is the recipe of the schema, and the examples of the protocol are what both say."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from longhand_trainer import errors, recipe
from longhand_trainer.errors import TrainingError

from .lab import EVENT, RECIPE, SCHEMAS, Lab

EXAMPLES = SCHEMAS / "examples"


def test_examples_follow_the_schemas() -> None:
    for path in EXAMPLES.glob("recipe-*.json"):
        value = json.loads(path.read_text())
        RECIPE.validate(value)
        assert recipe.load(path).kind == value["kind"]
    lines = [json.loads(line) for line in (EXAMPLES / "events.jsonl").read_text().splitlines()]
    for line in lines:
        EVENT.validate(line)
    kinds = {name for name in EVENT.schema["$defs"] if "event" in EVENT.schema["$defs"][name].get("properties", {})}
    assert {line["event"] for line in lines} == kinds


def test_error_codes_are_those_of_the_schema() -> None:
    assert list(errors.Code.__args__) == EVENT.schema["$defs"]["error"]["properties"]["code"]["enum"]


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (recipe.Recipe, []),
        (recipe.Data, ["properties", "data"]),
        (recipe.Source, ["$defs", "source"]),
        (recipe.General, ["$defs", "general"]),
        (recipe.Cosine, ["properties", "schedule", "oneOf", 1]),
        (recipe.Wsd, ["properties", "schedule", "oneOf", 2]),
        (recipe.Optimizer, ["properties", "optimizer"]),
        (recipe.Full, ["properties", "tuning", "oneOf", 0]),
        (recipe.Lora, ["properties", "tuning", "oneOf", 1]),
        (recipe.Dpo, ["properties", "dpo"]),
        (recipe.CheckpointEvery, ["properties", "checkpoint_every"]),
    ],
)
def test_code_has_the_fields_and_defaults_of_the_schema(model: type[BaseModel], where: list[Any]) -> None:
    schema: Any = RECIPE.schema
    for part in where:
        schema = schema[part]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(fields) == set(schema["properties"])
    for name, described in schema["properties"].items():
        if "default" in described and not isinstance(described["default"], list):
            assert fields[name].get_default() == described["default"], name
        assert fields[name].is_required() == (name in schema["required"] if "required" in schema else False) or (
            name == "kind"
        ), name


def refused(path: Path) -> str:
    with pytest.raises(TrainingError) as caught:
        recipe.load(path)
    assert caught.value.code == "bad_recipe"
    return caught.value.message


def test_a_wrong_recipe_names_its_first_wrong_field(lab: Lab) -> None:
    good = json.loads((EXAMPLES / "recipe-sft.json").read_text())
    path = lab.folder / "wrong.json"
    for change, where in [
        ({"max_lenght": 4096}, "max_lenght"),
        ({"epochs": 0}, "epochs"),
        ({"schema": 2}, "schema"),
        ({"data": {"shards": []}}, "data.shards"),
        ({"data": {"shards": good["data"]["shards"] * 2}}, "two sources of the same name"),
    ]:
        path.write_text(json.dumps(good | change))
        assert where in refused(path)
    path.write_text("{")
    assert str(path) in refused(path)
    assert "cannot be read" in refused(lab.folder / "none.json")


def test_defaults_are_the_papers(lab: Lab) -> None:
    def load(**fields: Any) -> recipe.Recipe:
        path = lab.folder / "r.json"
        shard = {"name": "s", "path": "s.jsonl", "format": "jsonl", "sha256": "0" * 64, "rows": 1}
        value = {"schema": 1, "kind": "sft", "round": 1, "base_model": "m", "output_dir": "o", "data": {"shards": [shard]}}
        path.write_text(json.dumps(value | fields))
        return recipe.load(path)

    sft = load()
    assert (sft.max_length, sft.packs_per_step, sft.epochs_, sft.loss) == (32768, 8, 4, "token_averaged")
    assert (sft.learning_rate_, sft.weight_decay, sft.betas, sft.warmup_ratio) == (1e-4, 0.1, (0.9, 0.95), 0.03)
    assert load(tuning={"kind": "full"}).learning_rate_ == 1e-5
    dpo = load(kind="dpo")
    assert (dpo.dpo.beta, dpo.learning_rate_, dpo.epochs_) == (0.1, 1e-6, 2)
    assert (dpo.weight_decay, dpo.betas, dpo.warmup_ratio) == (0.0, (0.9, 0.999), 0.1)
