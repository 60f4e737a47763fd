"""Lets the CUDA build of torch, the one on PyPI, load on a machine without a GPU and without 2.4 GB of CUDA libraries.

The loader wants every library that torch links to, and every function named in them, to exist; on a CPU none is called.
So each missing library becomes a small one beside torch's own: all functions are in one of them, and each ends the process
with its name. torch itself is not changed. Needs readelf and a C compiler. Usage: cuda_stubs.py SITE_PACKAGES
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARIES = re.compile(
    r"lib(cublas|cublasLt|cudnn|cufft|cufile|cupti|curand|cusolver|cusparse|cusparseLt|nccl|nvrtc|nvshmem_host)\.so"
)
FUNCTIONS = re.compile(r"(cublas|cudnn|cufft|cuFile|cupti|curand|cusolver|cusparse|nccl|pncc|nvJitLink|nvrtc|nvshmem)\w*")
HOLDER = "libcudnn.so.9"  # torch loads it early and globally, so the functions of all are in it


def readelf(flag: str, library: Path) -> str:
    return subprocess.run(["readelf", "-W", flag, str(library)], check=True, capture_output=True, text=True).stdout


def compile_library(source: str, target: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(source)
        file.flush()
        command = ["cc", "-O1", "-w", "-shared", "-fPIC", f"-Wl,-soname,{target.name}", "-o", str(target), file.name]
        subprocess.run(command, check=True)


def main() -> None:
    folder = Path(sys.argv[1]) / "torch" / "lib"
    done = folder / ".cuda_stubs"
    if done.exists():
        return
    needed: set[str] = set()
    functions: set[str] = set()
    for library in folder.glob("lib*.so"):
        needed |= {name for name in re.findall(r"NEEDED.*\[(.+?)\]", readelf("-d", library)) if LIBRARIES.match(name)}
        for line in readelf("--dyn-syms", library).splitlines():
            fields = line.split()
            if len(fields) >= 8 and fields[6] == "UND" and FUNCTIONS.fullmatch(name := fields[7].split("@")[0]):
                functions.add(name)
    for name in needed - {HOLDER}:
        compile_library("", folder / name)
    stop = (
        '#include <stdio.h>\n#include <stdlib.h>\nstatic void stop(const char *f){fprintf(stderr,"no CUDA: %s\\n",f);abort();}\n'
    )
    compile_library(stop + "".join(f'void {name}(void){{stop("{name}");}}\n' for name in sorted(functions)), folder / HOLDER)
    done.touch()


if __name__ == "__main__":
    main()
