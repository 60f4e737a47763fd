"""Tokenized documents of a round, in flat arrays that all processes map from one folder."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Documents:
    """Document i is tokens[offsets[i]:offsets[i + 1]]; `source` is its place in the recipe, shards first."""

    tokens: NDArray[np.int32]
    targets: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    source: NDArray[np.int32]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def ids(self, document: int) -> NDArray[np.int32]:
        return self.tokens[self.offsets[document] : self.offsets[document + 1]]

    def mask(self, document: int) -> NDArray[np.bool_]:
        return self.targets[self.offsets[document] : self.offsets[document + 1]]

    def length(self, document: int) -> int:
        return int(self.offsets[document + 1] - self.offsets[document])

    def target_counts(self) -> NDArray[np.int64]:
        """Targets of every document."""
        sums = np.concatenate(([0], np.cumsum(self.targets, dtype=np.int64)))
        return np.asarray(sums[self.offsets[1:]] - sums[self.offsets[:-1]])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokens", "targets", "offsets", "source", "row"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @staticmethod
    def open(folder: Path) -> "Documents":
        names = ("tokens", "targets", "offsets", "source", "row")
        return Documents(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


@dataclass
class DocumentsBuilder:
    tokens: list[NDArray[np.int32]] = field(default_factory=list)
    targets: list[NDArray[np.bool_]] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)

    def add(self, source: int, row: int, ids: NDArray[np.int32], targets: NDArray[np.bool_]) -> None:
        self.tokens.append(ids)
        self.targets.append(targets)
        self.source.append(source)
        self.row.append(row)

    def build(self) -> Documents:
        lengths = np.asarray([len(ids) for ids in self.tokens], dtype=np.int64)
        return Documents(
            tokens=np.concatenate([np.empty(0, np.int32), *self.tokens]),
            targets=np.concatenate([np.empty(0, np.bool_), *self.targets]),
            offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths))),
            source=np.asarray(self.source, dtype=np.int32),
            row=np.asarray(self.row, dtype=np.int64),
        )
