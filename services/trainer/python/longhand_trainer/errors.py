"""What ends a round early, with the code that the service shows (schemas/training/event.schema.json)."""

from typing import Literal

Code = Literal[
    "out_of_memory",
    "nan",
    "bad_shard",
    "bad_recipe",
    "bad_checkpoint",
    "template_missing",
    "too_long_for_model",
    "internal",
]


class TrainingError(Exception):
    """The message is one line: what, where, and what helps. It never holds text of a row."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.last_checkpoint: str | None = None


class Stopped(Exception):
    """The service, or a person, asked the backend to stop. `checkpoint` is where to go on from."""

    def __init__(self, step: int = 0, checkpoint: str | None = None) -> None:
        super().__init__("stopped")
        self.step = step
        self.checkpoint = checkpoint
