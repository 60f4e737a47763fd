"""What the tests share: a tiny model, shards on disk, recipes, and rounds run here or in a process that may be killed."""

import hashlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq

from longhand_trainer import events, launch, stop

SCHEMAS = Path(__file__).parents[4] / "schemas" / "training"
EVENT = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "event.schema.json").read_text()))
RECIPE = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "recipe.schema.json").read_text()))

# Imports once what every started process needs; such a process begins as a copy of it.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    ["longhand_trainer.launch", "longhand_trainer.train", "transformers.models.llama.modeling_llama"]
)

Row = dict[str, Any]


def chat(question: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def answers(count: int = 12) -> list[Row]:
    """Rows of quite different lengths."""
    return [
        chat(f"Write part {i}.", " ".join(f"The sea of part {i} is grey." for _ in range(1 + 7 * i % 5))) for i in range(count)
    ]


def preferences(count: int = 6) -> list[Row]:
    return [
        {
            "prompt": [{"role": "user", "content": f"Write part {i}."}],
            "chosen": [{"role": "assistant", "content": f"The sea of part {i} is grey. " * (1 + i % 3)}],
            "rejected": [{"role": "assistant", "content": "No."}],
        }
        for i in range(count)
    ]


def write_jsonl(path: Path, rows: Sequence[Row]) -> dict[str, Any]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return source(path, len(rows))


def write_parquet(path: Path, rows: Sequence[Row]) -> dict[str, Any]:
    pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd")
    return source(path, len(rows))


def source(path: Path, rows: int) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "path": str(path), "format": path.suffix[1:], "sha256": digest, "rows": rows}


@dataclass
class Lab:
    """A folder with a model in which rounds are tried."""

    folder: Path
    model: Path

    def recipe(self, shards: Sequence[dict[str, Any]], name: str = "round", **fields: Any) -> Path:
        """A recipe of short packs and few steps; `fields` replace its own."""
        general = fields.pop("general", [])
        value = {
            "schema": 1,
            "kind": "sft",
            "round": 1,
            "base_model": str(self.model),
            "output_dir": name,
            "data": {"shards": list(shards), "general": general},
            "epochs": 1,
            "max_length": 128,
            "packs_per_step": 2,
            "learning_rate": 1e-3,
            "tuning": {"kind": "full"},
            **fields,
        }
        RECIPE.validate(value)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(value))
        return path


@dataclass
class Outcome:
    code: int
    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (event,) = self.of(kind)
        return event

    @property
    def losses(self) -> dict[int, float]:
        return {event["step"]: event["loss"] for event in self.of("progress")}


def run(
    recipe: Path, command: Callable[[Path], int] = launch.run, on_line: Callable[[dict[str, Any]], None] | None = None
) -> Outcome:
    """Runs a command in this process; every event is held against the schema."""

    class Lines(io.StringIO):
        def write(self, text: str) -> int:
            event = json.loads(text)
            EVENT.validate(event)
            outcome.events.append(event)
            if on_line is not None:
                on_line(event)
            return len(text)

    outcome = Outcome(-1)
    before, events._out = events._out, Lines()
    stop._requested.clear()
    try:
        outcome.code = command(recipe)
    finally:
        events._out = before
        stop._requested.clear()
    return outcome


def _killed_after(recipe: Path, out: Path, kind: str, step: int) -> None:
    with out.open("w") as file:

        def kill(event: dict[str, Any]) -> None:
            file.write(json.dumps(event) + "\n")
            file.flush()
            if event["event"] == kind and event["step"] == step:
                os.kill(os.getpid(), signal.SIGKILL)

        run(recipe, on_line=kill)


def run_and_kill(recipe: Path, kind: str, step: int) -> Outcome:
    """Runs a round in another process that gets SIGKILL right after it wrote the event `kind` of `step`."""
    out = recipe.with_suffix(".killed")
    process = processes.Process(target=_killed_after, args=(recipe, out, kind, step))
    process.start()
    process.join(180)
    assert process.exitcode == -signal.SIGKILL
    return Outcome(process.exitcode, [json.loads(line) for line in out.read_text().splitlines()])


def change(recipe: Path, **fields: Any) -> Path:
    """The same recipe with other fields."""
    value = json.loads(recipe.read_text()) | fields
    recipe.write_text(json.dumps(value))
    return recipe


def weights(folder: str | Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(Path(folder) / "model.safetensors")
