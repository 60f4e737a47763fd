#!/usr/bin/env bash
# install.sh VENV [cpu|gpu]: the backend with its locked packages into a virtual environment; cpu brings what the tests need too.
# Run again, it installs only what is missing. cpu: 1.9 GB on disk; gpu: about 6 GB, CUDA 13.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$1 kind=${2:-cpu}
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
[ -x "$venv/bin/uv" ] || "$venv/bin/pip" install -q uv==0.13.9
export VIRTUAL_ENV=$venv UV_LINK_MODE=${UV_LINK_MODE:-copy}
uv() { "$venv/bin/uv" "$@"; }
# The locks name every package, so none is looked up by another's wish: torch would ask for CUDA.
uv pip install -q --no-deps --require-hashes -r "$here/locks/$kind.txt"
if [ "$kind" = cpu ]; then
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  "$venv/bin/python" "$here/cuda_stubs.py" "$site"
  # The transformers of yesterday, beside today's: a test loads the saved model with both.
  uv pip install -q --no-deps --require-hashes --target "$venv/transformers4" -r "$here/locks/transformers4.txt"
fi
uv pip install -q --no-deps --no-build-isolation -e "$here"
