"""Imports by string: which modules of ours they load, and that none of them runs upwards.

import-linter sees what is imported by statement. A name in a string hides from it, so those are
counted here, in both directions, by the same layers.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from openlineage.lamin.emit.sinks import Sink

ROOT = Path(__file__).parents[1]
FOLDERS = ("lamin_core", "openlineage", "integrations")
OURS = (
    "lamin_core",
    "openlineage.lamin",
    "lamin_prefect",
    "lamin_nextflow",
    "lamin_snakemake",
    "snakemake_logger_plugin_lamin",
    "snakemake_report_plugin_lamin",
    "snakemake_storage_plugin_lamin",
)
FUNCTIONS = {"import_module", "__import__", "find_spec", "resolve_name"}

DOWNWARDS = {
    ("lamin_core", "lamin_core.*"),  # the names of the public API, each loaded when it is asked for
    ("lamin_core", "lamin_core.errors"),
    ("lamin_core", "lamin_core.instance.instance"),
    ("lamin_core", "lamin_core.instance.lamindb_settings"),
    ("lamin_core", "lamin_core.ontology.*"),  # its registries, when one of them is used
    ("lamin_core", "lamin_core.samplesheets.registry"),
    ("lamin_core.bionty", "lamin_core.ontology"),
    ("lamin_core.core", "lamin_core.core.schemas"),
    ("lamin_core.core.datasets", "lamin_core.core.mini_immuno"),
    ("lamin_core.bionty", "lamin_core.ontology.*"),
}
UPWARDS: set[tuple[str, str]] = set()
"""None is left, and none may come."""
INTEGRATIONS = ("lamin_prefect", "lamin_nextflow", "snakemake_logger_plugin_lamin")
LOOKED_FOR = {("lamin_core.admin.doctor.machine", name) for name in INTEGRATIONS}
"""`lamin doctor` says which of them are installed; it loads none."""


def test_imports_by_string_follow_the_layers() -> None:
    imports = set(_imports_by_string())
    assert {pair for pair in imports if not _is_upwards(*pair)} <= DOWNWARDS
    assert {pair for pair in imports if _is_upwards(*pair)} <= UPWARDS


def test_module_names_in_strings_follow_the_layers() -> None:
    """Check names in strings, also those in tables from which other code imports."""
    upwards = {pair for pair in _modules_in_strings() if _is_upwards(*pair)}
    assert upwards <= UPWARDS | LOOKED_FOR


def test_registry_sink_is_registered_as_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    registered = project["entry-points"]["openlineage.lamin.sinks"]
    assert registered == {"registry": "openlineage.lamin.receive.registry_sink:RegistrySink"}
    points = distribution("lamin-core").entry_points.select(group="openlineage.lamin.sinks")
    assert [point.name for point in points] == ["registry"]
    assert all(issubclass(point.load(), Sink) for point in points)


def _imports_by_string() -> Iterator[tuple[str, str]]:
    """Module, and the module of ours that it imports by a string; a computed last part is `*`."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = _module_name(path)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and _function_name(node) in FUNCTIONS and node.args:
                    target = _text(node.args[0])
                    if _is_ours(target):
                        yield module, target


def _modules_in_strings() -> Iterator[tuple[str, str]]:
    """Module, and each module of ours that a whole string in it names, as `package.module` or `package.module:name`."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    target = node.value.partition(":")[0]
                    if _is_ours(target) and _exists(target):
                        yield _module_name(path), target


def _exists(module: str) -> bool:
    relative = Path(*module.split("."))
    bases = [root / relative for root in (ROOT, ROOT / "integrations")]
    return any(base.is_dir() or base.with_suffix(".py").is_file() for base in bases)


def _module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = [part for part in relative.parts if part not in ("integrations", "__init__")]
    return ".".join(parts)


def _function_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _text(argument: ast.expr) -> str:
    """The text of a string, with a star for each part that is computed."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if not isinstance(argument, ast.JoinedStr):
        return ""
    parts = [part.value if isinstance(part, ast.Constant) else "*" for part in argument.values]
    return "".join(str(part) for part in parts)


def _is_ours(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in OURS)


def _is_upwards(module: str, target: str) -> bool:
    """Whether the import goes up, by the layers of import-linter; `lamin_core` itself may import all."""
    for container, ranks in _layers().items():
        prefix = f"{container}." if container else ""
        if module.startswith(prefix) and target.startswith(prefix):
            source_rank = _rank(ranks, module.removeprefix(prefix))
            target_rank = _rank(ranks, target.removeprefix(prefix))
            if source_rank is not None and target_rank is not None and source_rank > target_rank:
                return True
    return False


def _rank(ranks: dict[str, int], name: str) -> int | None:
    for layer, rank in ranks.items():
        if name == layer or name.startswith(f"{layer}."):
            return rank
    return None


def _layers() -> dict[str, dict[str, int]]:
    """The rank of each layer, 0 at the top, by the package that contains them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    result: dict[str, dict[str, int]] = {}
    for contract in contracts:
        if contract["type"] != "layers":
            continue
        ranks: dict[str, int] = {}
        for rank, layer in enumerate(contract["layers"]):
            for name in layer.replace(":", "|").split("|"):
                ranks[name.strip()] = rank
        for container in contract.get("containers", [""]):
            result[container] = ranks
    return result
