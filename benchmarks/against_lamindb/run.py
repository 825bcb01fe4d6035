"""Run the workloads that LaminDB is measured by: `run.py [--bench FOLDER] [SCRIPT.py] [OPTION ...]`.

The workloads are no part of this repository; `--bench` is their folder, by default `../shared/bench`
beside the checkout. `SCRIPT.py` is one of them, or `floors.py`. Without it their `run.py` runs all,
with its own options: `--backend lamin_core|lamindb`, `--python`, `--repeats`, `--scale`, `--out`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parents[2] / "shared" / "bench"


def main() -> None:
    """Become that script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=BENCH)
    options, rest = parser.parse_known_args()
    bench = options.bench.resolve()
    if not (bench / "harness.py").is_file():
        parser.error(f"not a folder with the workloads: '{bench}' (name it: --bench FOLDER)")
    os.environ["LAMIN_BENCH"] = str(bench)
    if rest and rest[0].endswith(".py"):
        os.execv(sys.executable, [sys.executable, str(HERE / "workload.py"), *rest])
    os.execv(sys.executable, [sys.executable, str(bench / "run.py"), *_options(rest)])


def _options(rest: list[str]) -> list[str]:
    """Options of the workloads' `run.py`; it starts each workload as `PYTHON WORKLOAD.py`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backend", default="lamindb")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", type=Path)
    options, others = parser.parse_known_args(rest)
    out = options.out or HERE / "results" / f"{options.backend}.json"
    out.parent.mkdir(exist_ok=True)
    python = os.path.abspath(options.python)  # workloads change the folder; a link stays one
    if options.backend == "lamin_core":
        os.environ["PATH"] = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
        python = str(HERE / "workload.py")
    return [*others, "--backend", options.backend, "--python", python, "--out", str(out)]


if __name__ == "__main__":
    main()
