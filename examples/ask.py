"""Asks a trained model, with the transformers that is installed: ask.py MODEL QUESTION [LOGITS]

Greedy, at most as many tokens as the model has positions. LOGITS is a file that the first call writes; a later one says how far
its own logits are from those.
"""

import sys
from pathlib import Path

import torch
import transformers

torch.set_num_threads(1)
folder, question, *kept = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False)])
limit = model.config.max_position_embeddings - ids.shape[1]
with torch.no_grad():
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False)[0, ids.shape[1] :]
    logits = model(torch.arange(256)[None] % model.config.vocab_size).logits
ends = model.generation_config.eos_token_id
ends = ends if isinstance(ends, list) else [ends]
how = "ended by itself" if int(answer[-1]) in ends else "cut off"
print(f"transformers {transformers.__version__}: {len(answer)} tokens, {how}")
print(tokenizer.decode(answer))
for path in map(Path, kept):
    if path.exists():
        print(f"the largest difference of logits is {float((torch.load(path) - logits).abs().max()):.1e}")
    else:
        torch.save(logits, path)
