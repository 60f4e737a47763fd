"""Rows of shards and of general data: verified by hash, read, brought to conversations."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import TrainingError
from .recipe import General, Source
from .template import Messages

_COLUMNS = ("id", "messages", "prompt", "completion", "chosen", "rejected")


class BadRow(Exception):
    """A row that is no conversation."""


@dataclass(frozen=True)
class Pair:
    """A preference: `prompt` may hold answers already; only what follows it counts."""

    prompt: Messages
    chosen: Messages
    rejected: Messages


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(source: Source | General) -> None:
    """Raises `bad_shard` if the file is not, byte for byte, the one that the recipe names."""
    try:
        found = file_sha256(Path(source.path))
    except OSError as error:
        raise TrainingError("bad_shard", f"{source.name}: {source.path} cannot be read: {error.strerror}") from error
    if found != source.sha256:
        raise TrainingError(
            "bad_shard", f"{source.name}: its SHA-256 is {found}, the recipe says {source.sha256}: fetch it again"
        )


def rows(source: Source | General) -> Iterator[dict[str, Any]]:
    """The rows of a verified file, in order. Raises `bad_shard` if it is not what it says or has another number of rows."""
    count = 0
    try:
        for row in _parquet(source) if source.format == "parquet" else _jsonl(source):
            count += 1
            yield row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError("bad_shard", f"{source.name}: not readable as {source.format}: {first}") from error
    if source.rows is not None and count != source.rows:
        raise TrainingError("bad_shard", f"{source.name}: {count} rows, the recipe says {source.rows}")


def _parquet(source: Source | General) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(source.path) as file:
        columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=64, columns=columns):
            yield from batch.to_pylist()


def _jsonl(source: Source | General) -> Iterator[dict[str, Any]]:
    with Path(source.path).open(encoding="utf-8") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                row = None
            yield row if isinstance(row, dict) else {}


def conversation(row: dict[str, Any]) -> Messages:
    """`messages`, or `prompt` and `completion` (texts or messages)."""
    if row.get("messages") is not None:
        return _messages(row["messages"])
    if row.get("prompt") is not None and row.get("completion") is not None:
        return [*_turns(row["prompt"], "user"), *_turns(row["completion"], "assistant")]
    raise BadRow("neither messages nor prompt and completion")


def preference(row: dict[str, Any]) -> Pair:
    """`prompt`, `chosen`, `rejected` as texts or messages; without a prompt, what both answers begin with, as TRL does."""
    from trl.data_utils import maybe_extract_prompt

    if row.get("chosen") is None or row.get("rejected") is None:
        raise BadRow("no chosen and rejected")
    given = {name: row[name] for name in ("prompt", "chosen", "rejected") if row.get(name) is not None}
    if "prompt" not in given and isinstance(given["chosen"], str):
        raise BadRow("texts without a prompt")
    if given["chosen"] == given["rejected"]:
        raise BadRow("chosen and rejected are the same")
    split = maybe_extract_prompt(given)
    pair = Pair(_turns(split["prompt"], "user"), _turns(split["chosen"], "assistant"), _turns(split["rejected"], "assistant"))
    if not pair.prompt or not pair.chosen or not pair.rejected:
        raise BadRow("an empty prompt or answer")
    return pair


def _turns(value: Any, role: str) -> Messages:
    return [{"role": role, "content": value}] if isinstance(value, str) else _messages(value)


def _messages(value: Any) -> Messages:
    if not isinstance(value, list):
        raise BadRow("messages are no list")
    out: Messages = []
    for message in value:
        if not isinstance(message, dict):
            raise BadRow("a message is no object")
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise BadRow("a message without role or text")
        out.append({"role": role, "content": content})
    return out
