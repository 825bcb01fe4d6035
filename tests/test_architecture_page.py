"""Everything that `docs/architecture.md` names exists in the code, and it names every package."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SOURCE_ROOTS = (ROOT, ROOT / "integrations")
PACKAGES = (
    "lamin_core",
    "openlineage",
    "lamin_prefect",
    "lamin_snakemake",
    "snakemake_logger_plugin_lamin",
    "snakemake_report_plugin_lamin",
    "snakemake_storage_plugin_lamin",
    "lamin_nextflow",
)
NOT_OURS = frozenset(
    {
        "STREAMING",
        "SERVICE",
        "UNION",
        "click",
        "openlineage-python",
        "symlinks",
        "lifecycleStateChange",
    }
)
"""Words of OpenLineage, of SQL and of other distributions."""


def quoted_names() -> list[str]:
    text = re.sub(r"```.*?```", "", PAGE.read_text("utf-8"), flags=re.DOTALL)
    return sorted(set(re.findall(r"`([^`]+)`", text)))


@pytest.mark.parametrize("name", quoted_names())
def test_name_on_the_architecture_page_exists(name: str) -> None:
    assert exists(name), f"docs/architecture.md names {name!r}, which is nowhere in the code"


@pytest.mark.parametrize(
    "folder", [ROOT / "lamin_core", ROOT / "openlineage" / "lamin"], ids=lambda path: path.name
)
def test_every_package_is_on_the_architecture_page(folder: Path) -> None:
    prefix = ".".join(folder.relative_to(ROOT).parts)
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    missing = [
        name for name in sorted(packages | modules) if f"{prefix}.{name}" not in quoted_names()
    ]
    assert missing == [], "say in docs/architecture.md what these are for"


@pytest.mark.parametrize(
    "name",
    [
        "lamin_core.ingest.no_module",
        "lamin_core.ingest.record.no_function",
        "NoClass",
        "lamin no-command",
        "no/file.py",
    ],
)
def test_missing_name_is_detected(name: str) -> None:
    assert not exists(name)


def exists(name: str) -> bool:
    """Whether the name is a file, a module, a definition, a command, a table or a word of somebody else."""
    if name in NOT_OURS:
        return True
    if name.startswith(("lamin ", "make ", "python ")):
        return _is_typed(name)
    if name.startswith("ln."):
        return _is_public(name)
    if "/" in name or name == "pyproject.toml":
        return (ROOT / name).exists()
    if f'[project.entry-points."{name}"]' in (ROOT / "pyproject.toml").read_text("utf-8"):
        return True
    if name.split(".")[0] in PACKAGES:
        return _is_dotted_name(name)
    identifiers = re.findall(r"\w+", name)
    return bool(identifiers) and all(identifier in _identifiers() for identifier in identifiers)


def _is_typed(line: str) -> bool:
    program, word = line.split()[:2]
    if program == "python":
        return (ROOT / word).exists()
    if program == "make":
        return f"\n{word}:" in (ROOT / "Makefile").read_text("utf-8")
    from lamin_core.cli import lamin

    return word in lamin.commands or word in lamin.list_commands(None)  # type: ignore[arg-type]


def _is_public(expression: str) -> bool:
    import lamin_core

    match = re.match(r"ln\.(\w+)", expression)
    return match is not None and match[1] in lamin_core.__all__


def _is_dotted_name(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for root in SOURCE_ROOTS:
            path = root.joinpath(*parts[:length])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if file.exists():
                return _defines(file, parts[length:])
            if path.is_dir():
                return length == len(parts)
    return False


def _defines(file: Path, path: list[str]) -> bool:
    """Whether a file defines this class, function, method or constant; imported names count for a package."""
    body: list[ast.stmt] = ast.parse(file.read_text("utf-8")).body
    for name in path:
        node = next((node for node in body if name in _names_bound_by(node)), None)
        if node is None:
            return False
        body = node.body if isinstance(node, ast.ClassDef) else []
    return True


def _names_bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


@functools.cache
def _identifiers() -> frozenset[str]:
    """Every name that the sources define, and every word that stands alone in a string: tables, origins, facets."""
    names: set[str] = set()
    for package in PACKAGES:
        for root in SOURCE_ROOTS:
            for file in (root / package).rglob("*.py"):
                names.update(_identifiers_in(file))
    return frozenset(names)


def _identifiers_in(file: Path) -> Iterator[str]:
    yield from (file.stem, file.parent.name)
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.isidentifier()
        ):
            yield node.value
