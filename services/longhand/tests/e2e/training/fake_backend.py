"""A training backend that trains nothing: it speaks the protocol of schemas/training, with faults at wish.

A step goes through ROWS_A_STEP rows of one pass over one shard. What it "learns" is how often it saw each (shard, row): the
state of every checkpoint, and in the end the model, so that a test can count. FAKE holds `name=value,...`:

    step_ms      time of a step                     every        steps between checkpoints
    crash_at, silent_at, nan_at, oom_at             the fault comes at this step of a round, once for each job
    always       faults come every time             garbage      lines that are no events, between the steps
    steady       the order's hash, instead of the true one

A file `gate` beside the rounds' folders holds the step that is not passed while it is there.
"""

import hashlib
import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

ROWS_A_STEP = 2
FAKE = dict(pair.split("=") for pair in os.environ.get("FAKE", "").split(",") if pair)
recipe = json.loads(Path(sys.argv[-1]).read_text())
command = sys.argv[sys.argv.index("--recipe") - 1]
out = Path(recipe["output_dir"])
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)


def say(event, **fields):
    print(json.dumps({"schema": 1, "event": event, **fields}), flush=True)


def number(name):
    return int(FAKE.get(name, 0))


def fault(name, step):
    """Whether it is time for this fault: once a job, unless `always`."""
    if number(name) != step or step == 0:
        return False
    mark = out.parent / f"{name}.happened"
    happened = mark.exists()
    mark.touch()
    return not happened or "always" in FAKE


def held(step):
    try:
        return step >= int((out.parent / "gate").read_text() or 0)
    except FileNotFoundError:
        return False


def service_gone():
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and os.environ.get("LONGHAND_WATCH_STDIN") == "1" and not os.read(0, 1)


shards = recipe["data"]["shards"]
for shard in shards:
    if hashlib.sha256(Path(shard["path"]).read_bytes()).hexdigest() != shard["sha256"]:
        say("error", code="bad_shard", message=shard["name"], last_checkpoint=None)
        sys.exit(1)

passes = [(epoch, shard) for epoch in range(1, recipe["epochs"] + 1) for shard in shards]
plan = [
    (epoch, shard, row, min(row + ROWS_A_STEP, shard["rows"]))
    for epoch, shard in passes
    for row in range(0, shard["rows"], ROWS_A_STEP)
]
order = hashlib.sha256(json.dumps([[e, s["sha256"], a, b] for e, s, a, b in plan]).encode()).hexdigest()
order = FAKE.get("steady", order)

say(
    "hello",
    backend="fake",
    version="1",
    packages={"python": sys.version.split()[0]},
    device={"kind": "cpu", "name": "none", "count": 1, "memory_bytes": None},
    processes=1,
)
rows = sum(shard["rows"] for shard in shards) * recipe["epochs"]
example = {"name": shards[0]["name"], "row": 0, "segments": [{"text": "Write.", "target": False, "tokens": 2}]}
say(
    "plan",
    rows=rows,
    skipped={"rows": 0, "reasons": {}, "path": None},
    tokens=100 * rows,
    target_tokens=90 * rows,
    packs=len(plan),
    steps=len(plan),
    order_sha256=order,
    memory_bytes_per_device=1000,
    checkpoint_bytes=100,
    example=example if command == "plan" else None,
)
if command == "plan":
    sys.exit(0)


def load(path):
    return json.loads((Path(path) / "state.json").read_text())


def contained(step):
    """Passes that are wholly in the first `step` steps."""
    left = {(epoch, shard["name"]) for epoch, shard, _, _ in plan[step:]}
    return [{"name": shard["name"], "epoch": epoch} for epoch, shard in passes if (epoch, shard["name"]) not in left]


checkpoints = out / "checkpoints"
checkpoints.mkdir(parents=True, exist_ok=True)
step = 0
seen = load(recipe["continue_from"])["seen"] if recipe.get("continue_from") else {}
if recipe.get("resume_from"):
    state = load(recipe["resume_from"])
    step, seen = state["step"], state["seen"]
for folder in checkpoints.iterdir():
    if not folder.name.startswith("step-") or int(folder.name[5:]) > step:
        shutil.rmtree(folder)


def checkpoint():
    folder = checkpoints / f"step-{step:08}"
    about = {"step": step, "order_sha256": order, "shards": contained(step), "tokens": 100 * step, "target_tokens": step}
    if not folder.exists():
        staged = checkpoints / f"tmp-{step}"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        state = json.dumps({"step": step, "seen": seen})
        (staged / "state.json").write_text(state)
        files = {"state.json": {"bytes": len(state), "sha256": hashlib.sha256(state.encode()).hexdigest()}}
        (staged / "index.json").write_text(json.dumps({"schema": 1, **about, "files": files}))
        staged.rename(folder)
        for old in sorted(checkpoints.glob("step-*"))[: -recipe.get("keep_checkpoints", 2)]:
            shutil.rmtree(old)
    index = hashlib.sha256((folder / "index.json").read_bytes()).hexdigest()
    say("checkpoint", path=str(folder), index_sha256=index, loss=1.0, **about)
    return str(folder)


while step < len(plan):
    while held(step) and not (stopping or service_gone()):
        time.sleep(0.003)
    if stopping or service_gone():
        say("stopped", step=step, checkpoint=checkpoint() if step else None)
        sys.exit(143)
    if fault("crash_at", step + 1):
        os._exit(9)
    if fault("silent_at", step + 1):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    for name, code in [("nan_at", "nan"), ("oom_at", "out_of_memory")]:
        if fault(name, step + 1):
            say("error", code=code, message=f"step {step + 1}: that was too much", last_checkpoint=None)
            sys.exit(1)
    time.sleep(number("step_ms") / 1000)
    _, shard, first, end = plan[step]
    for row in range(first, end):
        key = f"{shard['sha256']}/{row}"
        seen[key] = seen.get(key, 0) + 1
    step += 1
    for _ in range(number("garbage")):
        print('{"schema": 1, "event": "progress", "step": "cut', flush=True)
    say(
        "progress",
        step=step,
        of=len(plan),
        epoch=plan[step - 1][0],
        loss=2.0 / step,
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=100 * step,
        target_tokens=90 * step,
        tokens_per_second=5000.0,
        memory_bytes=1 << 30,
    )
    if number("every") and step % number("every") == 0:
        checkpoint()

model = None
if recipe.get("save_model", True):
    model = out / "model"
    model.mkdir(exist_ok=True)
    (model / "seen.json").write_text(json.dumps(seen))
say(
    "done",
    steps=step,
    tokens=100 * step,
    target_tokens=90 * step,
    model_path=model and str(model),
    model_sha256=None,
    checkpoint=checkpoint(),
    losses={"first": 2.0, "last": 2.0 / step},
    shards=contained(step),
    order_sha256=order,
)
