"""The events of the protocol, one JSON object a line on standard output (schemas/training/event.schema.json).

Standard output belongs to them alone: `claim_stdout` gives everything else that prints standard error.
"""

import json
import os
import signal
import sys
from typing import Any, TextIO

_out: TextIO = sys.stdout


def claim_stdout() -> None:
    """Keeps the real standard output for events; prints of libraries, also of C code, go to standard error."""
    global _out
    if _out is sys.stdout:
        _out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)


def emit(event: str, **fields: Any) -> None:
    """Writes one event. A number that JSON does not have ends the process here rather than the reader there."""
    line = json.dumps({"schema": 1, "event": event, **fields}, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        _out.write(line)
        _out.flush()
    except BrokenPipeError:  # nobody reads any more: stop with a checkpoint, as when asked to
        os.kill(os.getpid(), signal.SIGTERM)


def warn(message: str) -> None:
    emit("warning", message=message)


def log(message: str) -> None:
    """A line of the log, for people."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def descriptor() -> int:
    """Where events go, for a child that writes them in this process's place."""
    _out.flush()
    return _out.fileno()
