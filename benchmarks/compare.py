"""Two files of figures beside each other: `python benchmarks/compare.py BEFORE AFTER`.

Prints after/before, before and after for each number that both have, and the version that each file
is about.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every number in it, by its way there.

    >>> list(leaves({"a": {"b": 1.5, "c": "text"}}))
    [('a.b', 1.5)]
    """
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, (*path, name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield ".".join(path), value


def main(before: str, after: str) -> None:
    """Print a line for each number."""
    results = [json.loads(Path(file).read_text()) for file in (before, after)]
    for file, result in zip((before, after), results, strict=True):
        print(f"# {file}: {json.dumps(result.pop('about', {}))}")
    old, new = (dict(leaves(result)) for result in results)
    for name in sorted(old.keys() & new.keys()):
        ratio = f"{new[name] / old[name]:8.3f}" if old[name] else "       -"
        print(f"{ratio}  {old[name]:>14} {new[name]:>14}  {name}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
