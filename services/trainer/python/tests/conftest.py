import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

from longhand_trainer import tiny

from .lab import Lab

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny.make(folder, hidden=32, positions=1024)
    return folder


@pytest.fixture
def lab(tmp_path: Path, tiny_model: Path) -> Lab:
    return Lab(tmp_path, tiny_model)
