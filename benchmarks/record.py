"""Measure this version: `python benchmarks/record.py [NAME ...]` runs benchmarks, and writes what they print to a file.

The file is `benchmarks/results/VERSION.json` (`--out` says another), and `compare.py` puts two of
them beside each other. Without names: all that `make bench` runs. A benchmark is a script here that
prints one JSON object; it runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
USUAL = ("core", "registry", "tracking", "lineage", "endpoint")


def main() -> None:
    """Run, show, and keep."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "names", nargs="*", default=USUAL, help="scripts in this folder, without .py"
    )
    words.add_argument(
        "--out", type=Path, default=HERE / "results" / f"{version('lamin-core')}.json"
    )
    options = words.parse_args()
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        results |= {"about": about(), name: measured(name)}
        print(json.dumps({name: results[name]}, indent=2), flush=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"kept in {options.out}")


def measured(name: str) -> dict[str, Any]:
    """The figures that this benchmark prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py")], check=True, stdout=subprocess.PIPE
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def about() -> dict[str, str]:
    """Which code, and on what; figures of different machines say nothing about each other."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return {
        "version": version("lamin-core"),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
