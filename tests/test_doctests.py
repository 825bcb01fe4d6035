"""Every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import lamin_core as ln

ROOT = Path(__file__).parents[1]
PLACES = [
    (ROOT, ROOT / "lamin_core"),
    (ROOT, ROOT / "openlineage" / "lamin"),
    *(
        (ROOT / "integrations", folder)
        for folder in sorted((ROOT / "integrations").glob("*lamin*"))
    ),
]


def _modules() -> list[str]:
    names = []
    for root, folder in PLACES:
        for path in sorted(folder.rglob("*.py")):
            if ">>>" in path.read_text() and "versions" not in path.parts:
                names.append(
                    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                )
    return names


@pytest.mark.parametrize("name", _modules())
def test_docstring_examples_run(name: str, in_tmp_path: Path) -> None:
    results = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST,
    )
    ln.disconnect()
    assert results.failed == 0, f"{name}: see the output above"
    assert results.attempted > 0
