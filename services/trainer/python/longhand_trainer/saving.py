"""The model folder that a round leaves: loads in transformers 5 and in 4.57, and stops where its answers ended in training."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .data import file_sha256
from .model import add_lora, load_model, merge_lora
from .recipe import Lora, Recipe
from .template import Encoder


def save_model(folder: Path, recipe: Recipe, encoder: Encoder, trained: dict[str, Tensor]) -> str:
    """Writes the folder; the SHA-256 over the lines of sha256sum of its files.

    trained: the trained weights by the names that they have in the model, with LoRA the adapters', which are merged in fp32.
    """
    model = load_model(recipe, len(encoder.tokenizer), torch.float32, None)
    if isinstance(recipe.tuning, Lora):
        add_lora(model, recipe, recipe.tuning)
    unknown = model.load_state_dict(trained, strict=False).unexpected_keys
    if unknown:
        raise RuntimeError(f"trained weights that the model does not have: {unknown[:3]}")
    model.tie_weights()
    if isinstance(recipe.tuning, Lora):
        merge_lora(model)
    model.to(base_dtype(model.config))
    tokenizer = encoder.tokenizer
    tokenizer.chat_template = encoder.template.plain
    set_ends(model, tokenizer, encoder.ends)
    temporary = folder.with_name(f".{folder.name}.tmp")
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    write_for_transformers_4(temporary)
    for path in temporary.iterdir():
        path.chmod(0o644)  # safetensors makes files for their owner only
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def base_dtype(config: Any) -> torch.dtype:
    dtype = getattr(config, "dtype", None)
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def set_ends(model: Any, tokenizer: Any, ends: list[int]) -> None:
    """Every token at which an answer may end, as generation knows it: those of training first, then the model's own."""
    own = [model.generation_config.eos_token_id, model.config.get_text_config().eos_token_id, tokenizer.eos_token_id]
    flat = [token for value in own for token in (value if isinstance(value, list) else [value]) if token is not None]
    tokens = list(dict.fromkeys([*ends, *flat]))
    model.generation_config.eos_token_id = tokens
    model.config.eos_token_id = tokens[0] if len(tokens) == 1 else tokens
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(tokens[-1])
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.config.pad_token_id = tokenizer.pad_token_id


def write_for_transformers_4(folder: Path) -> None:
    """transformers 5 writes names that 4.57 takes for defaults, or does not know; both read what this adds."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    parameters = config.get("rope_parameters")
    if isinstance(parameters, dict) and "rope_theta" in parameters:
        config["rope_theta"] = parameters["rope_theta"]
        if parameters.get("rope_type", "default") != "default":
            config["rope_scaling"] = {name: value for name, value in parameters.items() if name != "rope_theta"}
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    path = folder / "tokenizer_config.json"
    tokens = json.loads(path.read_text(encoding="utf-8"))
    if tokens.get("tokenizer_class") == "TokenizersBackend":
        tokens["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(extra := tokens.get("extra_special_tokens"), list):
        del tokens["extra_special_tokens"]
        tokens["additional_special_tokens"] = extra
    path.write_text(json.dumps(tokens, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
