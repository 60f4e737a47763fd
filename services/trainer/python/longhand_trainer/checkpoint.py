"""Checkpoints of a round: complete or absent, and checked before they are used.

A checkpoint is written under a temporary name, synced and renamed. Weights and optimizer are a distributed checkpoint, so it
can be read by another number of processes. `index.json` names size and SHA-256 of every file.
"""

import hashlib
import json
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load as load_state
from torch.distributed.checkpoint.state_dict_saver import save as save_state
from torch.nn import Module
from torch.optim import Optimizer

from .data import file_sha256
from .errors import TrainingError

INDEX = "index.json"
# One process needs no process group, and torch need not tell each time.
warnings.filterwarnings("ignore", "torch.distributed is disabled, unavailable or uninitialized")


def folder_of(output: Path) -> Path:
    return output / "checkpoints"


def name_of(step: int) -> str:
    return f"step-{step:08d}"


def save(output: Path, step: int, module: Module, optimizer: Optimizer, index: dict[str, Any]) -> tuple[Path, str]:
    """Writes the checkpoint of `step`, on all processes together; its folder and the SHA-256 of its index."""
    final = folder_of(output) / name_of(step)
    temporary = final.with_name(f".{final.name}.tmp")
    if _first():
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    _barrier()
    save_state(_state(module, optimizer), checkpoint_id=temporary / "state", no_dist=not dist.is_initialized())
    _barrier()
    digest = ""
    if _first():
        index = {**index, "files": _describe(temporary)}
        text = json.dumps(index, indent=1, ensure_ascii=False).encode()
        (temporary / INDEX).write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        _sync(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        _sync_folder(final.parent)
        _sync_folder(output)
    _barrier()
    return final, digest


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a checkpoint whose files are all there and unchanged, else `bad_checkpoint`."""
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        files: dict[str, dict[str, Any]] = index["files"]
        with ThreadPoolExecutor(8) as pool:
            hashes = list(pool.map(lambda name: file_sha256(folder / name), files))
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError("bad_checkpoint", f"checkpoint {folder}: not complete: {error}; use the one before") from error
    for (name, described), found in zip(files.items(), hashes, strict=True):
        if found != described["sha256"]:
            raise TrainingError("bad_checkpoint", f"checkpoint {folder}: {name} was changed; use the one before")
    return index


def load(folder: Path, module: Module, optimizer: Optimizer) -> None:
    """Weights and optimizer out of a checkpoint that `read_index` has seen."""
    state = _state(module, optimizer)
    try:
        load_state(state, checkpoint_id=folder / "state", no_dist=not dist.is_initialized())
    except (CheckpointException, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError("bad_checkpoint", f"checkpoint {folder}: not of this model: {first}") from error
    options = StateDictOptions(strict=False, ignore_frozen_params=True)
    set_model_state_dict(module, state["model"], options=options)
    set_optimizer_state_dict(module, optimizer, state["optimizer"])


def keep_newest(output: Path, count: int) -> None:
    for folder in complete(output)[:-count]:
        shutil.rmtree(folder)


def remove_after(output: Path, step: int) -> None:
    """Removes checkpoints of later steps, which are done again, and what a crash left half written."""
    for folder in folder_of(output).glob(".step-*.tmp"):
        shutil.rmtree(folder)
    for folder in complete(output):
        if folder.name > name_of(step):
            shutil.rmtree(folder)


def complete(output: Path) -> list[Path]:
    """The checkpoints of a round, oldest first."""
    return sorted(folder_of(output).glob("step-*"))


def _state(module: Module, optimizer: Optimizer) -> dict[str, Any]:
    return {
        "model": get_model_state_dict(module, options=StateDictOptions(ignore_frozen_params=True)),
        "optimizer": get_optimizer_state_dict(module, optimizer),
    }


def _describe(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(8) as pool:
        hashes = list(pool.map(file_sha256, paths))
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256}
        for path, sha256 in zip(paths, hashes, strict=True)
    }


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _barrier() -> None:
    if dist.is_initialized():
        dist.barrier()
