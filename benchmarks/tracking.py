"""Measures what tracking costs on this machine, on SQLite, and prints the medians in milliseconds as JSON.

    python benchmarks/tracking.py

- `script`: a script that does nothing but `track()` and `finish()`, from its start to its exit; `python`: an empty one;
- `import`, `track`, `finish`: the parts of it; `first_track`: where neither script nor environment is known yet;
- `step`: a call of an empty function under `@ln.step`;
- `packages`, `git`: what is installed, and commit, branch, remote and state of a repository with one file.

The figures to reach: `script` at most 772 (0.3 of LaminDB's 2575), `step` at most 3, `git` below
20.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lamin_core.runtime import git
from lamin_core.runtime.environment import packages

SCRIPT = """
import json, sys, time
begin = time.perf_counter()
import lamin_core as ln
ln.track
imported = time.perf_counter()
ln.track()
tracked = time.perf_counter()
ln.finish()
finished = time.perf_counter()
print(json.dumps([imported - begin, tracked - imported, finished - tracked]))
"""
STEPS = """
import json, time
import lamin_core as ln

@ln.step
def step(number: int) -> int:
    return number

ln.track()
step(0)
times = []
for number in range(300):
    begin = time.perf_counter()
    step(number)
    times.append(time.perf_counter() - begin)
ln.finish()
print(json.dumps(times))
"""
RUNS = 9


def main() -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory(prefix="lamin-bench-") as folder:
        os.chdir(folder)
        subprocess.run(
            [sys.executable, "-m", "lamin_core", "init", "--storage", "./data"],
            check=True,
            stderr=-3,
        )
        figures = scripts() | {"step": milliseconds(run("steps.py", STEPS))}
        figures |= {"packages": timed(_packages), "git": in_repository(Path(folder, "repository"))}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))


def scripts() -> dict[str, float]:
    """Whole scripts, and the parts of them."""
    _, first, _ = run("first.py", SCRIPT)
    parts = [run("script.py", SCRIPT) for _ in range(RUNS)]
    named = dict(
        zip(("import", "track", "finish"), map(milliseconds, zip(*parts, strict=True)), strict=True)
    )
    whole = timed(lambda: run("script.py", SCRIPT))
    return {
        "python": timed(lambda: run("empty.py", "print(0)")),
        "script": whole,
        **named,
        "first_track": first * 1000,
    }


def run(name: str, text: str) -> list[float]:
    """The output of the script."""
    Path(name).write_text(text)
    done = subprocess.run([sys.executable, name], check=True, capture_output=True, text=True)
    durations: list[float] = json.loads(done.stdout)
    return durations


def in_repository(folder: Path) -> float:
    """A repository with one commit."""
    folder.mkdir()
    (folder / "a.py").write_text("")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return timed(lambda: git.checkout(folder))


def _packages() -> None:
    packages.cache_clear()
    packages()


def timed(work: Callable[[], object]) -> float:
    """The median time, in milliseconds."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return milliseconds(times)


def milliseconds(times: object) -> float:
    """The median of these seconds."""
    return statistics.median(times) * 1000  # type: ignore[call-overload,no-any-return]


if __name__ == "__main__":
    main()
