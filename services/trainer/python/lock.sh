#!/usr/bin/env bash
# lock.sh: the locks anew from pyproject.toml. Needs uv.
set -euo pipefail
cd "$(dirname "$0")"
export UV_CUSTOM_COMPILE_COMMAND=./lock.sh
compile() { uv pip compile -q --generate-hashes --no-annotate "$@"; }
compile --python-version 3.12 pyproject.toml -o locks/gpu.txt
compile --python-version 3.11 --extra dev --override locks/cpu-overrides.txt pyproject.toml locks/cpu.in -o locks/cpu.txt
compile --python-version 3.11 --no-deps locks/transformers4.in -o locks/transformers4.txt
