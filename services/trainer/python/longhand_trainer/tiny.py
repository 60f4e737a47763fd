"""A model small enough to train on a CPU in seconds: for tests, and for the first steps of docs/TRAINING.md."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

TEXT = "Write about the sea. The waves were long and grey, and nobody on the pier spoke of the boat. "


def make(
    folder: Path,
    *,
    texts: Iterable[str] = (TEXT,),
    vocabulary: int = 512,
    hidden: int = 64,
    layers: int = 2,
    positions: int = 32768,
    rope: dict[str, Any] | None = None,
    seed: int = 0,
) -> None:
    """Writes a Llama of random weights, a byte-level tokenizer learnt from `texts`, and a ChatML template into `folder`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from .saving import write_for_transformers_4
    from .template import built_in

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learnt.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    learnt.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learnt,
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=specials[1:],
        model_max_length=positions,
    )
    tokenizer.chat_template = built_in("chatml")[1]
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": 100000.0},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_for_transformers_4(folder)


def texts_of(path: Path) -> Iterator[str]:
    """The messages of a shard, or the lines of a text file."""
    if path.suffix == ".parquet":
        for messages in pq.read_table(path, columns=["messages"])["messages"].to_pylist():
            yield from (message["content"] for message in messages)
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line) if path.suffix == ".jsonl" else None
            if isinstance(row, dict) and isinstance(row.get("messages"), list):
                yield from (message["content"] for message in row["messages"])
            else:
                yield line
