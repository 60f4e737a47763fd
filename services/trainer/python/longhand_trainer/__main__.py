"""The command line; schemas/training/protocol.md is what it promises."""

import argparse
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="longhand_trainer", description="Longhand's training backend.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "run": "train one round; events on standard output",
        "plan": "what a round would train on: rows, tokens, packs, steps, memory, an example row",
        "worker": "one process of a round; `run` starts it",
    }.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--recipe", type=Path, required=True, help="recipe file (schemas/training/recipe.schema.json)")
    tiny = commands.add_parser("tiny-model", help="write a model of random weights that trains on a CPU in seconds")
    tiny.add_argument("folder", type=Path)
    tiny.add_argument("--text", type=Path, nargs="*", default=[], help="shards or text files to learn the tokenizer from")
    tiny.add_argument("--vocabulary", type=int, default=512, help="tokens (512)")
    tiny.add_argument("--hidden", type=int, default=64, help="width (64)")
    tiny.add_argument("--layers", type=int, default=2, help="layers (2)")
    tiny.add_argument("--positions", type=int, default=32768, help="longest input in tokens (32768)")
    tiny.add_argument("--seed", type=int, default=0, help="of the weights (0)")
    parsed = parser.parse_args(arguments)

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers heeds it too; a log is no place for them
    if parsed.command == "tiny-model":
        return _tiny(parsed)

    from . import events, stop

    events.claim_stdout()
    stop.on_signals()
    if parsed.command != "worker":
        stop.watch_stdin()
        stop.heartbeat()
    from . import launch

    return {"run": launch.run, "plan": launch.plan, "worker": launch.worker}[parsed.command](parsed.recipe)


def _tiny(parsed: argparse.Namespace) -> int:
    from . import tiny

    texts = [text for path in parsed.text for text in tiny.texts_of(path)] or [tiny.TEXT]
    tiny.make(
        parsed.folder,
        texts=texts,
        vocabulary=parsed.vocabulary,
        hidden=parsed.hidden,
        layers=parsed.layers,
        positions=parsed.positions,
        seed=parsed.seed,
    )
    sys.stdout.write(f"{parsed.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
