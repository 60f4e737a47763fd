"""The model of a round: loaded, fitted with LoRA and new tokens, wrapped so that a pack goes in and document losses come out."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import attention
from .documents import Documents
from .errors import TrainingError
from .loss import document_losses
from .recipe import Lora, Recipe
from .template import Template


@dataclass(frozen=True)
class PackTensors:
    """One pack on the device. `before[j]` is the place whose output predicts `targets[j]`, a token of document[j]."""

    ids: Tensor
    positions: Tensor
    before: Tensor
    targets: Tensor
    document: Tensor
    lengths: list[int]


def pack_tensors(documents: Documents, members: list[int], device: torch.device) -> PackTensors:
    lengths = [documents.length(member) for member in members]
    ids = np.concatenate([documents.ids(member) for member in members]).astype(np.int64)
    mask = np.concatenate([documents.mask(member) for member in members])
    places = np.flatnonzero(mask)  # never the first of a document: its mask is False there

    def on_device(array: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return PackTensors(
        ids=on_device(ids)[None],
        positions=on_device(np.concatenate([np.arange(length) for length in lengths]))[None],
        before=on_device(places - 1),
        targets=on_device(ids[places]),
        document=on_device(np.repeat(np.arange(len(members)), lengths)[places]),
        lengths=lengths,
    )


class PackedModel(nn.Module):
    """Runs a causal language model over a pack. Everything is inside one forward, as DDP and FSDP want it."""

    def __init__(self, model: Any, kind: str) -> None:
        super().__init__()
        self.model = model
        self.kind = kind

    def forward(self, pack: PackTensors | None) -> Any:
        """Summed token losses, shape [documents]. Without a pack: what is wrong with this model, or None; see `_check`."""
        if pack is None:
            return self._check()
        hidden = self._hidden(pack.ids, pack.positions, pack.lengths)
        return document_losses(hidden[pack.before], self._head, pack.targets, pack.document, len(pack.lengths))

    def _hidden(self, ids: Tensor, positions: Tensor, lengths: list[int]) -> Tensor:
        extra = attention.arguments(self.kind, lengths, ids.device)
        decoder = self.model.get_decoder()
        out = decoder(input_ids=ids, position_ids=positions, use_cache=False, **extra)
        return out.last_hidden_state[0]  # type: ignore[no-any-return]

    def _head(self, hidden: Tensor) -> Tensor:
        """Logits as the model's own forward makes them; `check` compares the two."""
        config = self.model.config.get_text_config()
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        if (scale := getattr(config, "logit_scale", None)) is not None:
            logits = logits * scale
        if (scaling := getattr(config, "logits_scaling", None)) is not None:
            logits = logits / scaling
        if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
            logits = torch.tanh(logits / cap) * cap
        return logits

    def _check(self) -> str | None:
        """What an unknown family might break, tried on two documents: neighbours stay unseen, logits are the model's own."""
        embeddings = self.model.get_input_embeddings().weight
        device = self.model.get_output_embeddings().weight.device if embeddings.is_meta else embeddings.device
        lengths = [11, 13]
        ids = (torch.arange(7, 7 + sum(lengths), device=device) * 13 % embeddings.shape[0])[None]
        positions = torch.cat([torch.arange(length, device=device) for length in lengths])[None]
        together = self._hidden(ids, positions, lengths)
        split = zip(torch.split(ids, lengths, 1), torch.split(positions, lengths, 1), lengths, strict=True)
        alone = torch.cat([self._hidden(part, places, [length]) for part, places, length in split])
        if _differ(together, alone):
            return f"this model does not keep packed documents apart with attention {self.kind}: use another attention"
        whole = ids[:, : lengths[0]], positions[:, : lengths[0]], lengths[:1]
        extra = attention.arguments(self.kind, whole[2], device)
        own = self.model(input_ids=whole[0], position_ids=whole[1], use_cache=False, **extra).logits[0]
        if _differ(self._head(self._hidden(*whole)), own):
            return "this model makes its logits in a way that the backend does not know"
        return None


def _differ(a: Tensor, b: Tensor) -> bool:
    # Far above rounding, far below what a leak or a missing scale does.
    tolerance = 0.05 if a.dtype != torch.float32 or torch.is_autocast_enabled(a.device.type) else 1e-3
    return bool((a.float() - b.float()).abs().max() > tolerance * b.float().abs().max())


def position_limit(config: Any) -> int | None:
    text = config.get_text_config()
    for name in ("max_position_embeddings", "seq_length", "n_positions"):
        if isinstance(value := getattr(text, name, None), int):
            return value
    return None


def load_config(recipe: Recipe) -> Any:
    """The model's configuration. Raises `bad_recipe` if there is none, `too_long_for_model` if packs would not fit."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(recipe.base_model, revision=recipe.base_revision)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError("bad_recipe", f"base_model {recipe.base_model}: not a model: {first}") from error
    limit = position_limit(config)
    if limit is not None and recipe.max_length > limit:
        raise TrainingError(
            "too_long_for_model",
            f"max_length {recipe.max_length} is over the {limit} positions of {recipe.base_model}: use at most {limit}, or a "
            "model with longer positions",
        )
    return config


def load_tokenizer(recipe: Recipe) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(recipe.base_model, revision=recipe.base_revision)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError("bad_recipe", f"base_model {recipe.base_model}: no tokenizer: {first}") from error


def add_tokens(tokenizer: Any, template: Template) -> int:
    """Gives the tokenizer the tokens that the template needs and it lacks; how many."""
    vocabulary = tokenizer.get_vocab()
    missing = [token for token in template.tokens if token not in vocabulary]
    known = set(tokenizer.all_special_tokens)
    special = [token for token in template.tokens if token in missing or token not in known]
    if special:
        tokenizer.add_tokens(special, special_tokens=True)
    return len(missing)


def load_model(recipe: Recipe, tokens: int, dtype: torch.dtype, kind: str | None) -> Any:
    """The base model on the CPU, its embeddings large enough for `tokens`. The same on every process: seeded.

    `kind`: attention for training; None leaves the model as it is, to be saved.
    """
    from transformers import AutoModelForCausalLM

    chosen = {} if kind is None else {"attn_implementation": attention.IMPLEMENTATIONS[kind]}
    model = AutoModelForCausalLM.from_pretrained(recipe.base_model, revision=recipe.base_revision, dtype=dtype, **chosen)
    torch.manual_seed(seed(recipe, "weights"))
    if tokens > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(tokens, mean_resizing=True)
    return model


def prepare(model: Any, recipe: Recipe, new_tokens: bool) -> None:
    """Marks what is trained: everything, or LoRA on the linear layers and, with new tokens, the embeddings. Those are fp32."""
    if isinstance(recipe.tuning, Lora):
        add_lora(model, recipe, recipe.tuning)
        model.requires_grad_(False)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
        if new_tokens:
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                layer.weight.requires_grad_(True)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def add_lora(model: Any, recipe: Recipe, lora: Lora) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    target = lora.target or linear_layers(model)
    torch.manual_seed(seed(recipe, "lora"))
    config = LoraConfig(r=lora.r, lora_alpha=lora.alpha or lora.r, lora_dropout=lora.dropout, target_modules=target)
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise TrainingError("bad_recipe", f"tuning.target: {str(error).splitlines()[0]}") from error


def linear_layers(model: Any) -> list[str]:
    """The last parts of the names of all linear layers but the head."""
    head = model.get_output_embeddings()
    return sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        }
    )


def merge_lora(model: Any) -> None:
    """Adds the adapters into the layers that they are on and takes them away."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            model.set_submodule(name, module.get_base_layer())


def seed(recipe: Recipe, *parts: object) -> int:
    digest = hashlib.sha256("/".join(map(str, (recipe.seed, *parts))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
