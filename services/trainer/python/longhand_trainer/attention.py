"""Attention in which the documents of a pack never see each other.

- flash: the variable-length kernels of flash-attn, with the boundaries of the documents
- flex: a block mask that transformers makes from position ids that start anew with each document; compiled, so GPU only
- sdpa: torch's own attention, one document after another; no mask is ever made, but many short documents are slow
"""

import importlib.util
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface

from .errors import TrainingError
from .recipe import Attention

BY_DOCUMENT = "longhand_by_document"
IMPLEMENTATIONS = {"flash": "flash_attention_2", "flex": "flex_attention", "sdpa": BY_DOCUMENT}


def choose(wanted: Attention, device: str) -> tuple[str, str | None]:
    """The kind of attention on `device` (cuda or cpu), and a warning if it is the slow one."""
    flash = device == "cuda" and importlib.util.find_spec("flash_attn") is not None
    flex = device == "cuda" and importlib.util.find_spec("triton") is not None
    if wanted == "flash" and not flash:
        raise TrainingError("bad_recipe", "attention flash: needs a GPU and the package flash-attn; flex or sdpa do without")
    if wanted == "flex" and not flex:
        raise TrainingError("bad_recipe", "attention flex: needs a GPU and the package triton; sdpa does without")
    if wanted != "auto":
        return wanted, None
    if flash:
        return "flash", None
    if flex:
        return "flex", None
    return "sdpa", "attention goes document by document (sdpa): right, but slow where a pack has many short ones"


def arguments(kind: str, lengths: list[int], device: torch.device) -> dict[str, Any]:
    """What the model's forward needs beside position ids."""
    if kind == "sdpa":
        return {"document_lengths": lengths}
    if kind == "flash":
        ends = torch.tensor([0, *lengths], dtype=torch.int32, device=device).cumsum(0, dtype=torch.int32)
        longest = max(lengths)
        return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
    return {}


def _by_document(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    document_lengths: list[int] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention per document; query [1, heads, tokens, width], key and value with as many heads or fewer."""
    if any(kwargs.get(name) is not None for name in ("softcap", "s_aux", "position_bias")):
        raise TrainingError("bad_recipe", "attention sdpa: not for this model, whose scores are changed; use flex or flash")
    lengths = document_lengths or [query.shape[2]]
    if sliding_window is not None and max(lengths) > sliding_window:
        raise TrainingError("bad_recipe", "attention sdpa: not for this model's sliding window; use flex or flash")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    parts = [
        functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
        for q, k, v in zip(*(torch.split(states, lengths, 2) for states in (query, key, value)), strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(BY_DOCUMENT, _by_document)
