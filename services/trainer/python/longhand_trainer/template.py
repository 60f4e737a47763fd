"""Which chat template a round trains with, and what of a conversation it makes a target.

A template is usable when it marks the answers (`{% generation %}`) and the token that ends one is inside the marks: a model
that never saw it as a target would not stop. TRL has such versions of many known templates.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from .errors import TrainingError

_FOLDER = Path(__file__).parent / "templates"
_MARKS = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
_BUILT_IN = {
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "glm4": ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<|endoftext|>"],
    "chatml": ["<|im_start|>", "<|im_end|>"],
}
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Template:
    """`marked` renders for training, `plain` the same text without marks, for the saved model."""

    marked: str
    plain: str
    label: str
    tokens: list[str]
    warning: str | None = None


def built_in(name: str) -> tuple[str, str]:
    marked = (_FOLDER / f"{name}.jinja").read_text(encoding="utf-8").strip()
    return marked, _without_marks(marked)


def choose(tokenizer: Any, choice: str) -> Template:
    """The template of the recipe's `template`. Raises `template_missing`, naming the way out."""
    if choice in _BUILT_IN:
        marked, plain = built_in(choice)
        return Template(marked, plain, f"{choice} (built in)", _BUILT_IN[choice])
    if choice != "auto":
        return _from_file(Path(choice))
    own = tokenizer.chat_template
    own = own.get("default") if isinstance(own, dict) else own
    for name, tokens in _BUILT_IN.items():
        marked, plain = built_in(name)
        if own is not None and own.strip() in (plain, marked):
            return Template(marked, plain, f"{name} (the model's own)", tokens)
    if own is not None and (marked_own := _training_version(tokenizer, own)) is not None:
        return Template(marked_own, _without_marks(own), "the model's own", [])
    vocabulary = tokenizer.get_vocab()
    for name, tokens in _BUILT_IN.items():
        if all(token in vocabulary for token in tokens):
            marked, plain = built_in(name)
            warning = None
            if own is not None:
                warning = f"the model's own template does not mark its answers; {name} is trained and saved instead"
            return Template(marked, plain, f"{name} (built in; the model has its tokens)", tokens, warning)
    what = "has no chat template" if own is None else "has a chat template that does not mark its answers"
    raise TrainingError(
        "template_missing",
        f"the model {what}: name one: chatml, llama3, glm4 (new tokens are added and trained), or a Jinja file with "
        "{% generation %} marks",
    )


def _from_file(path: Path) -> Template:
    try:
        marked = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(_BUILT_IN)
        raise TrainingError("template_missing", f"template {path}: neither a file nor one of {known}") from error
    if not _MARKS.search(marked):
        raise TrainingError("template_missing", f"template {path}: no {{% generation %}} marks around the answers")
    return Template(marked, _without_marks(marked), f"the file {path.name}", [])


def _training_version(tokenizer: Any, own: str) -> str | None:
    from trl.chat_template_utils import get_training_chat_template, is_chat_template_stop_token_trained

    try:
        marked = get_training_chat_template(tokenizer) or own
    except (ValueError, TemplateError, TypeError):
        marked = own
    if not _MARKS.search(marked) or not is_chat_template_stop_token_trained(tokenizer, marked):
        return None
    return str(marked)


def _without_marks(text: str) -> str:
    # A mark may trim white space around it; a comment that trims the same stands in.
    def stand_in(mark: re.Match[str]) -> str:
        left = "-" if mark[0].startswith("{%-") else ""
        right = "-" if mark[0].endswith("-%}") else ""
        return f"{{#{left} {right}#}}" if left or right else ""

    return _MARKS.sub(stand_in, text)


class Encoder:
    """Turns conversations into tokens and targets with one tokenizer and template."""

    def __init__(self, tokenizer: Any, template: Template) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.ends = self._ends()

    def encode(self, messages: Messages) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Token ids, and which of them are targets. Raises what the template raises for a conversation it refuses."""
        out = self.tokenizer.apply_chat_template(
            messages,
            chat_template=self.template.marked,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        ids = np.asarray(out["input_ids"], dtype=np.int32)
        targets = np.asarray(out["assistant_masks"], dtype=np.bool_)
        targets[:1] = False  # nothing stands before the first token to predict it from
        return ids, targets

    def _ends(self) -> list[int]:
        """The tokens that end an answer, in the middle of a conversation and at its end."""
        turn = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        added = set(self.tokenizer.get_added_vocab().values()) | set(self.tokenizer.all_special_ids)
        ends: list[int] = []
        for messages in (turn, [*turn, *turn]):
            ids, targets = self.encode(messages)
            for run in runs(targets):
                last = [int(token) for token in ids[run] if self.tokenizer.decode([int(token)]).strip()][-1:]
                if not last or last[0] not in added:
                    raise TrainingError(
                        "template_missing",
                        f"template {self.template.label}: the token that ends an answer is outside its marks, so the "
                        "model would not learn to stop",
                    )
                if last[0] not in ends:
                    ends.append(last[0])
        if not ends:
            raise TrainingError("template_missing", f"template {self.template.label}: its marks hold no answer")
        return ends


def runs(targets: NDArray[np.bool_]) -> list[slice]:
    """The stretches of targets, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], targets, [False]))))
    return [slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
