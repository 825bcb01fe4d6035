"""Measures what watching files costs on this machine, and prints the medians in microseconds as JSON.

    python benchmarks/watching.py

- `open`, `open_watched`: open and close each of 10,000 files of a project, without and with a run that watches;
- `read`, `read_watched`: the same with the bytes of a file, 64 KiB each, and a checksum of them;
- `again`, `again_watched`: one and the same file 10,000 times;
- `elsewhere`, `elsewhere_watched`: a file that is not of the project, 10,000 times;
- `overhead_of_reading`: how much longer reading takes, as a part of it.

The figure to reach: `overhead_of_reading` below 0.01 for a job that does anything with what it reads.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from lamin_core.watching import opening
from lamin_core.watching.recorder import MOST, RunFiles, digest_in_hex
from lamin_core.watching.scope import Scope

COUNT, ROUNDS = 10_000, 7


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as elsewhere:
        paths = [os.path.join(folder, f"{number}.bin") for number in range(COUNT)]
        for path in paths:
            Path(path).write_bytes(os.urandom(1 << 16))
        cases: dict[str, Callable[[], None]] = {
            "open": lambda: _open(paths),
            "read": lambda: _read(paths),
            "again": lambda: _open(paths[:1] * COUNT),
            "elsewhere": lambda: _open([elsewhere.name] * COUNT),
        }
        times: dict[str, list[float]] = {}
        recorder: list[RunFiles | None] = [None]
        plain = {name: _seconds(case) for name, case in cases.items()}
        opening.watch(lambda: recorder[0], digest_in_hex)
        for _ in range(ROUNDS):
            for name, case in cases.items():
                recorder[0] = RunFiles(Scope([folder]), f"{folder}.log")
                times.setdefault(f"{name}_watched", []).append(_seconds(case))
                recorder[0] = None
                times.setdefault(name, [plain[name]]).append(_seconds(case))
    figures = {name: statistics.median(values) / COUNT * 1e6 for name, values in times.items()}
    figures["overhead_of_reading"] = figures["read_watched"] / figures["read"] - 1
    assert MOST >= COUNT
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _seconds(case: Callable[[], None]) -> float:
    began = time.process_time()
    case()
    return time.process_time() - began


def _open(paths: list[str]) -> None:
    for path in paths:
        open(path, "rb").close()


def _read(paths: list[str]) -> None:
    for path in paths:
        with open(path, "rb") as file:
            zlib.adler32(file.read())


if __name__ == "__main__":
    sys.exit(main())
