"""What is a target, which template is taken, and that the saved template renders the same text."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from trl import chat_template_utils

from longhand_trainer.errors import TrainingError
from longhand_trainer.model import add_tokens
from longhand_trainer.template import Encoder, built_in, choose, runs

TALK = [
    {"role": "system", "content": "Be long."},
    {"role": "user", "content": "Sea?"},
    {"role": "assistant", "content": "Grey.\n"},
    {"role": "user", "content": "More."},
    {"role": "assistant", "content": "  Long and grey."},
]


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def encoder(tokenizer: Any, choice: str) -> Encoder:
    template = choose(tokenizer, choice)
    add_tokens(tokenizer, template)
    return Encoder(tokenizer, template)


@pytest.mark.parametrize(
    ("name", "targets", "ends"),
    [
        ("chatml", ["Grey.\n<|im_end|>", "  Long and grey.<|im_end|>"], ["<|im_end|>"]),
        ("llama3", ["Grey.\n<|eot_id|>", "  Long and grey.<|eot_id|>"], ["<|eot_id|>"]),
        ("glm4", ["\nGrey.\n<|user|>", "\n  Long and grey.<|endoftext|>"], ["<|endoftext|>", "<|user|>"]),
    ],
)
def test_targets_are_the_answers_and_what_ends_them(tokenizer: Any, name: str, targets: list[str], ends: list[str]) -> None:
    tokenizer.chat_template = None
    made = encoder(tokenizer, name)
    ids, mask = made.encode(TALK)
    assert [tokenizer.decode(ids[run].tolist()) for run in runs(mask)] == targets
    assert tokenizer.convert_ids_to_tokens(made.ends) == ends
    whole = tokenizer.decode(ids.tolist())
    for plain in built_in(name):
        assert tokenizer.apply_chat_template(TALK, chat_template=plain, tokenize=False) == whole
    # What generation is asked to continue is where the targets begin.
    prompt = tokenizer.apply_chat_template(TALK[:2], chat_template=made.template.plain, tokenize=True, add_generation_prompt=True)
    assert ids[: runs(mask)[0].start].tolist() == prompt["input_ids"]


def test_a_saved_built_in_is_known_again(tokenizer: Any) -> None:
    for name in ("chatml", "llama3", "glm4"):
        tokenizer.chat_template = built_in(name)[1]
        assert choose(tokenizer, "auto").label == f"{name} (the model's own)"


@pytest.mark.parametrize("name", ["qwen2_5", "qwen3", "llama3", "gemma"])
def test_templates_that_trl_knows_are_the_models_own(tokenizer: Any, name: str) -> None:
    own = getattr(chat_template_utils, f"{name}_chat_template")
    tokenizer.add_tokens(["<|eot_id|>", "<end_of_turn>"], special_tokens=True)
    tokenizer.chat_template = own
    made = encoder(tokenizer, "auto")
    assert made.template.label == "the model's own"
    assert made.template.plain == own
    ids, mask = made.encode([message for message in TALK if message["role"] != "system"])
    answers = [tokenizer.decode(ids[run].tolist()) for run in runs(mask)]
    assert len(answers) == 2
    assert all(answer.rstrip().endswith(("<|im_end|>", "<|eot_id|>", "<end_of_turn>")) for answer in answers)


def test_without_a_usable_template_the_models_tokens_decide(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    found = choose(tokenizer, "auto")
    assert (found.label, found.warning) == ("chatml (built in; the model has its tokens)", None)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert "chatml is trained and saved instead" in str(choose(tokenizer, "auto").warning)


def test_a_model_without_template_and_tokens_needs_a_name() -> None:
    class Bare:
        chat_template = None

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    with pytest.raises(TrainingError, match="chatml, llama3, glm4") as caught:
        choose(Bare(), "auto")
    assert caught.value.code == "template_missing"


def test_a_template_file_must_mark_answers_with_their_end(tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    with pytest.raises(TrainingError, match="neither a file nor one of"):
        choose(tokenizer, str(path))
    turn = "{%% for m in messages %%}{%% if m['role'] == 'user' %%}{{ m['content'] }}|{%% else %%}%s{%% endif %%}{%% endfor %%}"
    path.write_text(turn % "{{ m['content'] }}<|im_end|>")
    with pytest.raises(TrainingError, match=r"no \{% generation %\} marks"):
        choose(tokenizer, str(path))
    path.write_text(turn % "{% generation %}{{ m['content'] }}{% endgeneration %}<|im_end|>")
    with pytest.raises(TrainingError, match="would not learn to stop"):
        encoder(tokenizer, str(path))
    path.write_text(turn % "{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}")
    assert encoder(tokenizer, str(path)).template.label == "the file own.jinja"


def test_missing_tokens_are_added_once(tokenizer: Any) -> None:
    template = choose(tokenizer, "llama3")
    assert add_tokens(tokenizer, template) == 4
    assert add_tokens(tokenizer, template) == 0
    assert tokenizer.encode("<|eot_id|>") == [tokenizer.convert_tokens_to_ids("<|eot_id|>")]
