"""The saved folder loads in transformers of today and of yesterday with equal logits, and what it writes ends by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from longhand_trainer import tiny

from .lab import Lab, chat, run, write_jsonl

TRANSFORMERS_4 = Path(sys.prefix) / "transformers4"
PROMPT = [{"role": "user", "content": "Sea?"}]
# Runs under either version: what the folder says and does, as JSON and a file of logits.
LOOK = """
import json, sys
import torch, transformers
torch.set_num_threads(1)
out, prompt, folders = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
logits, seen = [], []
for folder in folders:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    with torch.no_grad():
        logits.append(model(torch.arange(3, 203)[None] % model.config.vocab_size).logits)
        made = model.generate(ids, max_new_tokens=200, do_sample=False)
    answer = made[0, ids.shape[1]:].tolist()
    seen.append({"prompt": ids[0].tolist(), "answer": answer, "text": tokenizer.decode(answer),
                 "ends": model.generation_config.eos_token_id})
torch.save(logits, out)
print(json.dumps({"version": transformers.__version__, "seen": seen}))
"""


def look(folders: list[str], out: Path, old: bool) -> tuple[str, list[dict[str, Any]], list[torch.Tensor]]:
    path = {"PYTHONPATH": str(TRANSFORMERS_4)} if old else {}
    command = [sys.executable, "-c", LOOK, str(out), json.dumps(PROMPT), *folders]
    done = subprocess.run(command, env=os.environ | path, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["version"], found["seen"], torch.load(out)


def test_trained_models_load_in_both_and_stop_by_themselves(lab: Lab) -> None:
    base = lab.folder / "base"
    rope = {"rope_type": "llama3", "rope_theta": 50000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    tiny.make(base, hidden=64, positions=1024, rope=rope | {"original_max_position_embeddings": 64})
    shard = write_jsonl(lab.folder / "a.jsonl", [chat("Sea?", "The sea is grey.")] * 4)
    fields: dict[str, Any] = {"base_model": str(base), "epochs": 30, "learning_rate": 1e-2, "max_length": 64}
    full = lab.recipe([shard], "full", **fields)
    # With tokens that the model has not.
    lora = lab.recipe([shard], "lora", template="llama3", tuning={"kind": "lora", "r": 16}, **fields)
    folders = [run(path).one("done")["model_path"] for path in (full, lora)]
    new_version, new, new_logits = look(folders, lab.folder / "new.pt", old=False)
    old_version, old, old_logits = look(folders, lab.folder / "old.pt", old=True)
    assert (new_version[0], old_version) == ("5", "4.57.6")
    torch.testing.assert_close(old_logits, new_logits, atol=1e-5, rtol=1e-5)
    assert [seen["text"] for seen in new] == ["The sea is grey.<|im_end|>", "The sea is grey.<|eot_id|>"]
    assert [seen["ends"] for seen in new] == [[seen["answer"][-1], 0] for seen in new]
    assert old == new


def test_the_saved_folder_names_what_other_readers_miss(lab: Lab) -> None:
    path = lab.recipe([write_jsonl(lab.folder / "a.jsonl", [chat("Sea?", "Grey.")])], template="glm4")
    folder = Path(run(path).one("done")["model_path"])
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 100000.0
    tokenizer = AutoTokenizer.from_pretrained(folder)
    generation = json.loads((folder / "generation_config.json").read_text())
    assert [tokenizer.decode([token]) for token in generation["eos_token_id"]] == ["<|endoftext|>", "<|user|>"]
    assert "endgeneration" not in tokenizer.chat_template
    assert AutoModelForCausalLM.from_pretrained(folder).get_input_embeddings().weight.shape[0] == len(tokenizer)
