"""Measures the biological registries: import, the first and the next use of an ontology, and many values at once.

`python benchmarks/ontology.py`: prints JSON, in milliseconds. The copies of the ontologies are made
in a temporary folder, so that the first use is one. Needs the extra `ontology`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VALUES = 10_000
IMPORTS = 7
IMPORT = """
import time
import lamin_core
lamin_core.Artifact
begin = time.perf_counter()
import lamin_core.bionty
imported = time.perf_counter()
lamin_core.bionty.CellType
print(imported - begin, time.perf_counter() - imported)
"""


def main() -> None:
    """Measure all of it in a fresh instance."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        imported, named = import_times()
        figures = {
            "import lamin_core.bionty over the core": imported,
            "the first use of a registry of it": named,
        }
        from lamin_core.instance.instance import Instance, init

        instance: Instance = init(Path(folder, "data"), path=folder)
        figures |= registries()
        instance.db.dispose()
    print(json.dumps({name: round(1000 * taken, 1) for name, taken in figures.items()}, indent=2))


def import_times() -> tuple[float, float]:
    """Seconds that the import takes after the core, and then the first registry: the best of some tries."""
    command = [sys.executable, "-c", IMPORT]
    imported, named = [], []
    for _ in range(IMPORTS):
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        first, second = output.split()
        imported.append(float(first))
        named.append(float(second))
    return min(imported), min(named)


def registries() -> dict[str, float]:
    """Seconds for each question."""
    import lamin_core.bionty as bt

    figures = {
        "CellType.public(), first use": seconds(bt.CellType.public),
        "CellType.public(), then": seconds(bt.CellType.public),
        "CellType.public().search": seconds(lambda: bt.CellType.public().search("T cell")),
    }
    names = list(bt.Disease.public().df()["name"])[:VALUES]
    records: list[Any] = []
    figures["Disease.from_values of 10,000 names"] = seconds(
        lambda: records.append(bt.Disease.from_values(names))
    )
    figures["and .save()"] = seconds(lambda: records[0].save())
    figures["Disease.from_values of 10,000 saved names"] = seconds(
        lambda: bt.Disease.from_values(names)
    )
    return figures


def seconds(call: Callable[[], object]) -> float:
    """The seconds that the call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
