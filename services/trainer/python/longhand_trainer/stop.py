"""Being asked to stop: SIGTERM, SIGINT, or the end of standard input where the service keeps it open."""

import os
import signal
import threading
import time

from . import events

_requested = threading.Event()


def requested() -> bool:
    return _requested.is_set()


def request() -> None:
    _requested.set()


def on_signals() -> None:
    """SIGTERM and SIGINT ask to stop; what is under way ends first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _requested.set())


def watch_stdin() -> None:
    """With LONGHAND_WATCH_STDIN=1, the end of standard input asks to stop: the service is gone."""
    if os.environ.get("LONGHAND_WATCH_STDIN") != "1":
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        events.log("standard input ended: stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def die_with_parent() -> None:
    """A worker process has no use without the one that started it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def heartbeat(seconds: float = 25) -> None:
    """A line on standard error while anything takes long, so that silence means something."""

    def beat() -> None:
        start = time.monotonic()
        while True:
            time.sleep(seconds)
            events.log(f"at work for {time.monotonic() - start:.0f} s")

    threading.Thread(target=beat, daemon=True).start()
