"""The first step is good, the second has no luck."""

import sys
from pathlib import Path

from lamin_prefect import flow, task


@task
def good(source: Path) -> Path:
    target = Path("good.txt")
    target.write_text(source.read_text())
    return target


@task
def bad(source: Path) -> Path:
    source.read_text()
    print("no such luck", file=sys.stderr)
    raise RuntimeError("no such luck")


@flow
def failing(source: Path) -> None:
    bad(good(source))


if __name__ == "__main__":
    failing(Path("input.txt"))
