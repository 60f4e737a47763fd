"""The command as the service starts it: processes, signals, standard input and output."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .lab import EVENT, Lab, answers, change, run, write_jsonl


def start(recipe: Path, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "longhand_trainer", "run", "--recipe", str(recipe)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)


def read_until(process: "subprocess.Popen[str]", kind: str) -> list[dict[str, Any]]:
    """Events up to the first `kind`; every line of standard output is one."""
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        EVENT.validate(events[-1])
        if events[-1]["event"] == kind:
            break
    return events


def test_sharded_on_two_processes_stopped_and_resumed_on_one(lab: Lab) -> None:
    shard = write_jsonl(lab.folder / "a.jsonl", answers(16))
    whole = run(lab.recipe([shard], "whole"))
    path = lab.recipe([shard], processes=2, sharding="fsdp")
    process = start(path)
    events = read_until(process, "progress")
    process.send_signal(signal.SIGTERM)
    events += read_until(process, "stopped")
    assert process.wait(60) == 143
    stopped = events[-1]
    assert stopped["event"] == "stopped"
    assert 1 <= stopped["step"] < whole.one("plan")["steps"]
    losses = {event["step"]: event["loss"] for event in events if event["event"] == "progress"}
    resumed = run(change(path, resume_from=stopped["checkpoint"], processes=1, sharding="none"))
    assert resumed.code == 0
    assert losses | resumed.losses == pytest.approx(whole.losses, rel=1e-5)


def test_the_end_of_standard_input_stops_a_backend_whose_service_is_gone(lab: Lab) -> None:
    shard = write_jsonl(lab.folder / "a.jsonl", answers(16))
    process = start(lab.recipe([shard], epochs=200), LONGHAND_WATCH_STDIN="1")
    read_until(process, "progress")
    assert process.stdin is not None
    process.stdin.close()
    (*_, checkpoint, stopped) = read_until(process, "stopped")
    assert process.wait(60) == 143
    assert stopped["checkpoint"] == checkpoint["path"]
