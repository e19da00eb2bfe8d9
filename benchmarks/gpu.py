"""Everything that needs a real GPU, in one go: correctness, then the benchmark.

    python benchmarks/gpu.py [--out DIR] [--quick]

Runs the tests marked `gpu` (which fail where there is no GPU), what `minimlp info` says, and
`minimlp bench --gpu`; shows what they print and keeps it, dated, in DIR/gpu.log beside the
tables and the figure.  Nothing is downloaded: on a machine without network, unpack numba,
llvmlite, numba-cuda, cuda-bindings, cuda-core, cuda-pathfinder, and what the machine lacks of
numpy, scipy, matplotlib, pytest and what these need, into a folder and put that on PYTHONPATH,
with a CUDA toolkit in CUDA_HOME.  It is made to take less than 8 minutes.
"""

import argparse
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parts(out, quick):
    """Each part's name and command."""
    python = [sys.executable, "-m"]
    tests = [*python, "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "-ra",
             *(f"tests/test_{name}.py" for name in ("kernels", "transport", "balancing", "gpu"))]
    yield "versions", [*python, "minimlp", "info"]
    yield "correctness", tests + (["-k", "on_the_device and not training"] if quick else [])
    yield "benchmark", [*python, "minimlp", "bench", "--gpu", "--out", str(out),
                        *(["--quick"] if quick else [])]


def run(command, log):
    """The exit status; what the command prints goes to the terminal and to the log."""
    environment = os.environ | {"MINIMLP_REQUIRE_GPU": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH":
                                os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        for file in (sys.stdout, log):
            file.write(line)
            file.flush()
    return process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "gpu")
    parser.add_argument("--quick", action="store_true", help="a few tests and tiny sizes")
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    failed = []
    with open(args.out / "gpu.log", "w") as log:
        for name, command in parts(args.out, args.quick):
            heading = f"\n{name}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC\n"
            print(heading)
            log.write(heading + "\n")
            if run(command, log):
                failed.append(name)
    print("\nfailed: " + ", ".join(failed) if failed else f"\nall passed; {args.out}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
