"""What a round will take, before the model is loaded: parameters, memory per device, disk per checkpoint.

The memory is a sum of the large parts (weights, gradients, Adam, activations of the longest pack, a chunk of logits) with a
tenth on top. It says whether a round has a chance, not how much is left.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .errors import TrainingError
from .loss import CHUNK
from .model import linear_layers
from .recipe import Lora, Recipe


@dataclass(frozen=True)
class Estimate:
    parameters: int
    trainable: int
    memory_bytes: int
    checkpoint_bytes: int


@dataclass(frozen=True)
class Setup:
    """How a round is laid out on this machine."""

    processes: int
    sharded: bool
    bf16: bool
    recompute: bool  # gradient checkpointing


def estimate(recipe: Recipe, config: Any, setup: Setup, tokens: int, new_tokens: int, longest_pack: int) -> Estimate:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    embeddings = model.get_input_embeddings().weight
    tied = model.get_output_embeddings().weight is embeddings
    width = int(embeddings.shape[1])
    grown = max(0, tokens - int(embeddings.shape[0])) * width * (1 if tied else 2)
    parameters = sum(p.numel() for p in model.parameters()) + grown
    trainable = parameters
    weight_bytes = 4
    if isinstance(recipe.tuning, Lora):
        trainable = _lora_parameters(model, recipe.tuning)
        if new_tokens:
            trainable += max(tokens, int(embeddings.shape[0])) * width * (1 if tied else 2)
        weight_bytes = 2 if setup.bf16 else 4
    adapters = trainable if isinstance(recipe.tuning, Lora) else 0
    state = parameters * weight_bytes + adapters * 4 + trainable * (4 + 8)
    text = config.get_text_config()
    layers = int(getattr(text, "num_hidden_layers", 1))
    if setup.sharded:
        state = state // setup.processes
        gathered = 2 * 2 * (parameters // layers) + 2 * 2 * int(embeddings.numel())
        state = gathered if recipe.offload else state + gathered
    element = 2 if setup.bf16 else 4
    inner = int(getattr(text, "intermediate_size", 4 * width))
    layer = longest_pack * element * (10 * width + 4 * inner)
    activations = longest_pack * width * element * layers + layer if setup.recompute else layer * layers
    logits = 3 * 4 * min(CHUNK, longest_pack) * max(tokens, int(embeddings.shape[0]))
    memory = int(1.1 * (state + activations + logits))
    return Estimate(parameters, trainable, memory, trainable * 12)


def check_memory(recipe: Recipe, found: Estimate, device_bytes: int | None) -> None:
    """Raises `out_of_memory` if the round has no chance on the device, with what would make it smaller."""
    limit = recipe.memory_limit_bytes or device_bytes
    if limit is None or found.memory_bytes <= limit:
        return
    ways = ["a smaller max_length"]
    if recipe.sharding != "none" and not recipe.offload:
        ways.insert(0, "offload")
    if not isinstance(recipe.tuning, Lora):
        ways.insert(0, "LoRA")
    raise TrainingError(
        "out_of_memory",
        f"about {found.memory_bytes / 1e9:.1f} GB are needed per device and {limit / 1e9:.1f} GB are there: "
        f"use {' or '.join(ways)}",
    )


def _lora_parameters(model: Any, lora: Lora) -> int:
    target = lora.target or linear_layers(model)
    return sum(
        lora.r * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in target
    )
