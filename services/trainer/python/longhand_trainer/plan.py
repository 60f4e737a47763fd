"""What a round trains on and in which order, frozen before its first step.

Rows are shuffled per epoch by the hash of seed, round, epoch, source and row, so the order depends on nothing else: not on
processes, machine or library version. Packs are filled one after another in that order (next fit, as in the paper); the last,
unfilled one is a pack like the others, and no document is ever cut. The last step may have fewer packs.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import data, stop
from .documents import Documents, DocumentsBuilder
from .errors import Stopped, TrainingError
from .recipe import General, Recipe, Source
from .template import Encoder, runs


@dataclass(frozen=True)
class Pack:
    """Documents that go through the model as one row. dpo: the chosen and the rejected one of a pair."""

    epoch: int
    documents: list[int]


@dataclass(frozen=True)
class Skipped:
    name: str
    row: int
    id: str | None
    reason: str
    tokens: int | None


@dataclass(frozen=True)
class Plan:
    documents: Documents
    packs: list[Pack]
    packs_per_step: int
    order_sha256: str
    skipped: list[Skipped]
    shards: list[str]

    @property
    def steps(self) -> int:
        return -(-len(self.packs) // self.packs_per_step)

    def step(self, index: int) -> list[Pack]:
        """The packs of step `index`, from 0."""
        return self.packs[index * self.packs_per_step : (index + 1) * self.packs_per_step]

    def tokens(self, packs: list[Pack]) -> int:
        return sum(self.documents.length(document) for pack in packs for document in pack.documents)

    def save(self, folder: Path) -> None:
        """For the other processes of the round."""
        self.documents.save(folder)
        fields = {name: getattr(self, name) for name in ("packs_per_step", "order_sha256", "shards")}
        packs = [[pack.epoch, pack.documents] for pack in self.packs]
        (folder / "packs.json").write_text(json.dumps({**fields, "packs": packs}), encoding="utf-8")

    @staticmethod
    def open(folder: Path) -> "Plan":
        value = json.loads((folder / "packs.json").read_text(encoding="utf-8"))
        packs = [Pack(epoch, documents) for epoch, documents in value.pop("packs")]
        return Plan(documents=Documents.open(folder), packs=packs, skipped=[], **value)

    def contained(self, step: int) -> list[dict[str, object]]:
        """The passes over shards whose rows are all trained after `step` steps. One without rows ends with its epoch."""
        last: dict[tuple[int, int], int] = {}
        ends: dict[int, int] = {}
        for index, pack in enumerate(self.packs):
            ends[pack.epoch] = index
            for document in pack.documents:
                last[int(self.documents.source[document]), pack.epoch] = index
        trained = step * self.packs_per_step
        return [
            {"name": name, "epoch": epoch}
            for epoch, end in sorted(ends.items())
            for source, name in enumerate(self.shards)
            if last.get((source, epoch), end) < trained
        ]


def build(recipe: Recipe, encoder: Encoder) -> Plan:
    """Verifies, reads and tokenizes the data of a recipe and freezes its order."""
    sources = recipe.data.sources
    for source in sources:
        data.verify(source)
    builder = DocumentsBuilder()
    skipped: list[Skipped] = []
    for index, source in enumerate(sources):
        for number, row in enumerate(data.rows(source)):
            if stop.requested():
                raise Stopped
            reason, tokens = _add(builder, recipe, encoder, index, number, row)
            if reason is not None:
                given = row.get("id")
                skipped.append(Skipped(source.name, number, None if given is None else str(given), reason, tokens))
    documents = builder.build()
    packs = list(_packs(recipe, documents, sources))
    if not packs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(s.reason for s in skipped).items())
        raise TrainingError("bad_recipe", f"no row is left to train on ({reasons or 'the data is empty'})")
    shards = [shard.name for shard in recipe.data.shards]
    order = _order_sha256(sources, documents, packs)
    return Plan(documents, packs, recipe.packs_per_step, order, skipped, shards)


def _add(
    builder: DocumentsBuilder, recipe: Recipe, encoder: Encoder, source: int, number: int, row: dict[str, object]
) -> tuple[str | None, int | None]:
    """Adds the document of a row, or the two of a preference; or says why not, and how long it would be."""
    try:
        if recipe.kind == "sft":
            answers = [(data.conversation(row), 0)]
        else:
            pair = data.preference(row)
            earlier = sum(message["role"] == "assistant" for message in pair.prompt)
            answers = [(pair.prompt + pair.chosen, earlier), (pair.prompt + pair.rejected, earlier)]
        encoded = [encoder.encode(messages) for messages, _ in answers]
    except data.BadRow:
        return "bad_row", None
    except Exception as error:  # a template raises what it likes for a conversation that it refuses
        if isinstance(error, MemoryError):
            raise
        return "bad_row", None
    for (messages, earlier), (ids, targets) in zip(answers, encoded, strict=True):
        found = runs(targets)
        turns = sum(message["role"] == "assistant" for message in messages)
        # Earlier answers of a preference's prompt are common to both and not judged.
        for run in found[:earlier]:
            targets[run] = False
        if len(ids) > recipe.max_length:
            return "too_long", len(ids)
        # transformers leaves an answer out of the mask whose first character it cannot place in a token.
        if not targets.any() or len(found) < turns:
            return "no_target", len(ids)
        if sum(int((ids[targets] == end).sum()) for end in encoder.ends) > turns - earlier:
            return "special_token", len(ids)  # its text holds an end token: the model would learn to stop there
    for ids, targets in encoded:
        builder.add(source, number, ids, targets)
    return None, None


def _key(*parts: object) -> bytes:
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def _packs(recipe: Recipe, documents: Documents, sources: list[Source | General]) -> Iterator[Pack]:
    stride = 1 if recipe.kind == "sft" else 2
    by_source: dict[int, list[int]] = {}
    for document in range(0, len(documents), stride):
        by_source.setdefault(int(documents.source[document]), []).append(document)
    for epoch in range(1, recipe.epochs_ + 1):
        seed = (recipe.seed, recipe.round, epoch)
        entries: list[tuple[bytes, int]] = []
        for source, members in sorted(by_source.items()):
            entry = sources[source]
            times = entry.weight if isinstance(entry, General) else 1.0
            for document, copy in _copies(seed, source, members, documents, times):
                entries.append((_key(*seed, "order", source, int(documents.row[document]), copy), document))
        order = [document for _, document in sorted(entries)]
        if recipe.kind == "dpo":
            yield from (Pack(epoch, [document, document + 1]) for document in order)
        else:
            yield from (Pack(epoch, pack) for pack in next_fit(order, documents, recipe.max_length))


def _copies(
    seed: tuple[int, int, int], source: int, members: list[int], documents: Documents, times: float
) -> Iterator[tuple[int, int]]:
    """Each document `times` times: whole copies, and for the rest a share of the documents drawn by hash."""
    whole = int(times)
    for copy in range(whole):
        yield from ((document, copy) for document in members)
    drawn = sorted(members, key=lambda document: _key(*seed, "draw", source, int(documents.row[document])))
    yield from ((document, whole) for document in drawn[: round((times - whole) * len(members))])


def next_fit(order: list[int], documents: Documents, capacity: int) -> Iterator[list[int]]:
    """Packs of at most `capacity` tokens: the open one is closed by the first document that does not fit."""
    pack: list[int] = []
    filled = 0
    for document in order:
        length = documents.length(document)
        if pack and filled + length > capacity:
            yield pack
            pack, filled = [], 0
        pack.append(document)
        filled += length
    if pack:
        yield pack


def _order_sha256(sources: list[Source | General], documents: Documents, packs: list[Pack]) -> str:
    """Of what is trained, token for token, and the order of it."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.sha256}  {source.name}\n".encode())
    for array in (documents.tokens, documents.targets, documents.offsets):
        digest.update(array.tobytes())
    for pack in packs:
        digest.update(json.dumps([pack.epoch, pack.documents]).encode())
    return digest.hexdigest()


def write_skipped(plan: Plan, path: Path) -> str | None:
    """Lists the skipped rows, one JSON object a line; None if there are none."""
    if not plan.skipped:
        path.unlink(missing_ok=True)
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in plan.skipped:
            file.write(json.dumps(row.__dict__, ensure_ascii=False) + "\n")
    return str(path)
