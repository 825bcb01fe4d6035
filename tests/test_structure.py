"""The cost of imports, and the structure of the code."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lamin_core.instance.instance import Instance
from lamin_core.instance.lineage_service import LineageService
from lamin_core.instance.run_service import RunService
from lamin_core.saving.contents import Contents
from lamin_core.saving.files import Files

ROOT = Path(__file__).parents[1]

# Says, as text, which of the named modules are loaded and what of the world was touched while
# importing.
PROBE = """
import sys
touched = []
def watch(event, args):
    if event.startswith(("socket.", "sqlite3.", "os.exec")) or event in ("subprocess.Popen", "os.system", "os.fork"):
        touched.append((event, str(args)[:100]))
    elif event == "open" and isinstance(args[0], str) and not reads_code(args):
        touched.append((event, args[0], args[1]))
def reads_code(args):
    path, mode, flags = args
    writes = isinstance(mode, str) and set(mode) & set("wax+") or flags & 0o3
    return not writes and path.endswith((".py", ".pyc", ".so", ".pth", "METADATA", "entry_points.txt", ".json"))
sys.dont_write_bytecode = True
sys.addaudithook(watch)
"""


def _import(statement: str, heavy: set[str], watch: bool = True) -> None:
    script = (PROBE if watch else "import sys; touched = []\n") + (
        f"{statement}\n"
        f"loaded = {heavy!r} & set(sys.modules)\n"
        "assert not loaded, f'loads {sorted(loaded)}'\n"
        "assert not touched, f'touches {touched}'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


HEAVY = {
    *(
        "sqlalchemy",
        "alembic",
        "psycopg",
        "pandas",
        "numpy",
        "pyarrow",
        "anndata",
        "fsspec",
        "s3fs",
        "matplotlib",
    ),
    *(
        "click",
        "rich",
        "starlette",
        "uvicorn",
        "prefect",
        "snakemake",
        "asyncio",
        "multiprocessing",
        "urllib.request",
    ),
}


def test_openlineage_folder_is_a_namespace_package() -> None:
    # One __init__.py, even an empty one, would hide openlineage.client from everybody.
    assert not (ROOT / "openlineage" / "__init__.py").exists()
    assert [path.name for path in (ROOT / "openlineage").glob("*.py")] == []


def test_integrations_folder_is_not_a_package() -> None:
    assert [path.name for path in (ROOT / "integrations").glob("*.py")] == []


def test_openlineage_lamin_and_client_are_imported_together() -> None:
    _import(
        "import openlineage.lamin, openlineage.client; assert openlineage.__file__ is None",
        set(),
        watch=False,
    )


def test_import_of_the_core_loads_nothing_heavy_and_has_no_side_effects() -> None:
    _import("import lamin_core", HEAVY | {"openlineage", "openlineage.lamin"})


@pytest.mark.parametrize(
    "module", ["emit.events", "emit.facets", "emit.naming", "emit.sinks", "emit.default_sink"]
)
def test_import_of_emit_modules_loads_no_database(module: str) -> None:
    _import(f"import openlineage.lamin.{module}", HEAVY - {"urllib.request"})


def test_snakemake_plugin_loads_no_database_and_no_data_libraries() -> None:
    # Snakemake itself has loaded a lot by then; what is ours adds nothing heavy to it.
    before = "import snakemake_interface_logger_plugins.base; before = set(sys.modules)\n"
    after = "import snakemake_logger_plugin_lamin; heavy = HEAVY & (set(sys.modules) - before); assert not heavy, heavy"
    _import(f"HEAVY = {HEAVY!r}\n{before}{after}", set(), watch=False)


@pytest.mark.parametrize("module", ["lamin_prefect", "lamin_nextflow"])
def test_import_of_an_integration_loads_no_database(module: str) -> None:
    # Prefect brings SQLAlchemy itself, so only what is loaded without it counts.
    before = (
        "import prefect; before = set(sys.modules)\n"
        if module == "lamin_prefect"
        else "before = set()\n"
    )
    check = f"import {module}; assert not {{'sqlalchemy', 'lamin_core.models'}} & (set(sys.modules) - before)"
    _import(f"{before}{check}", {"lamin_core.models", "lamin_core.db.database"}, watch=False)


def test_repository_contains_no_machine_paths_and_no_index_urls() -> None:
    suspicious = (
        "/work/" + "main",
        "/root/" + ".",
        "files.python" + "hosted.org",
        "pypi." + "org/simple",
        "--index" + "-url",
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    matches = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            text = path.read_bytes().decode(errors="ignore")
            matches += [(name, word) for word in suspicious if word in text]
    assert matches == []


def test_every_requirement_is_pinned_and_hashed() -> None:
    several = (
        "dev",
        "next",
        "producers",
        "snakemake-oldest",
        "prefect-oldest",
        "openlineage-prefect",
    )
    names = {f"{name}.txt": 50 for name in several}
    for name, number in (names | {"genes.txt": 1}).items():
        entries = (ROOT / "requirements" / name).read_text().replace("\\\n", " ").splitlines()
        assert len(entries) >= number
        assert [
            entry[:60] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry
        ] == []


def test_core_is_tested_with_the_newest_sqlalchemy() -> None:
    assert "\nsqlalchemy==2.0." in (ROOT / "requirements" / "dev.txt").read_text()
    assert "\nsqlalchemy==2.1." in (ROOT / "requirements" / "next.txt").read_text()


def test_build_uses_the_pinned_hatchling() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (pinned,) = project["build-system"]["requires"]
    assert pinned in project["dependency-groups"]["test"]
    for name in ("dev.txt", "next.txt"):
        assert f"\n{pinned} " in (ROOT / "requirements" / name).read_text()


def test_data_extra_requires_a_numcodecs_that_refuses_pickle() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = map(Requirement, project["project"]["optional-dependencies"]["data"])
    bounds = {requirement.name: requirement.specifier for requirement in requirements}
    # GHSA-jqc8-qjfv-5m6r: mended in 0.16.6 and in 0.17.1.
    assert [
        version for version in ("0.15.1", "0.16.5", "0.17.0") if version in bounds["numcodecs"]
    ] == []
    assert [version for version in ("0.16.6", "0.17.1") if version not in bounds["numcodecs"]] == []
    assert "2.18.7" not in bounds["zarr"]


FOUND_BY_NAME = {
    *("LogHandler", "LogHandlerSettings"),
    *("StorageProvider", "StorageProviderSettings", "StorageObject"),
    *("Reporter", "ReportSettings"),
}
"""Snakemake looks for these in plugins: of its logger, of storages, of reports."""


def test_every_definition_is_used() -> None:
    """A dead-code gate: what a module defines is named outside of its definition, or it is public API."""
    used = _words_beside_definitions() | FOUND_BY_NAME
    assert [name for name in _definitions() if name.rsplit(".", 1)[1] not in used] == []


def _definitions() -> Iterator[str]:
    """Module and name of every function, class and constant at the top of a shipped module, but for plugged-in ones."""
    for path in _shipped_modules():
        for node in ast.parse(path.read_text("utf-8")).body:
            names: list[str] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names = [] if node.decorator_list and not _is_plain(node) else [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            for name in names:
                if not name.startswith("__"):
                    yield f"{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}.{name}"


def _is_plain(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether its decorators leave it a function or class that somebody has to call: not a command or a listener."""
    plain = {
        "contextmanager",
        "asynccontextmanager",
        "cache",
        "lru_cache",
        "dataclass",
        "overload",
        "wraps",
        "final",
    }
    for decorator in node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (
            function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        ) not in plain:
            return False
    return True


@cache
def _words_beside_definitions() -> frozenset[str]:
    """Every word of the shipped code but the names where they are defined; of the documentation and build files all."""
    words: Counter[str] = Counter()
    for path in _shipped_modules():
        words.update(re.findall(r"\w+", path.read_text("utf-8")))
    for name in _definitions():
        words[name.rsplit(".", 1)[1]] -= 1
    for path in (ROOT / "pyproject.toml", *(ROOT / "docs").glob("*.md")):
        words.update(re.findall(r"\w+", path.read_text("utf-8")))
    return frozenset(word for word, count in words.items() if count > 0)


def _shipped_modules() -> list[Path]:
    folders = ("lamin_core", "openlineage", "integrations")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if "versions" not in path.parts]


ALSO_WORDS_OF_OURS = {"parent", "schema", "storage"}
"""Names of facets that are fields of records as well."""


def test_core_names_no_openlineage_facet() -> None:
    """Check that only `openlineage.lamin.receive` names facets; the core knows fields."""
    facets = _facet_names() - ALSO_WORDS_OF_OURS
    assert {"sourceCodeLocation", "jobType", "ownership", "lamin_artifact", "sql"} <= facets
    named = []
    for path in sorted((ROOT / "lamin_core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in facets:
                named.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert named == []


def _facet_names() -> set[str]:
    """The facets by their schemas: `JobTypeJobFacet` is `jobType`, our own `LaminRunFacet` is `lamin_run`."""
    names = set()
    for path in (ROOT / "openlineage" / "lamin" / "schemas").glob("*/*.json"):
        name = re.sub("(Run|Job|(Input|Output)?Dataset)Facet$", "", path.stem)
        if path.parent.name == "own":
            words = re.findall("[A-Z][a-z]+", name) or ["Lamin"]
            name = "_".join(words if len(words) > 1 else ["lamin", "run"]).lower()
        names |= {name[0].lower() + name[1:], *json.loads(path.read_text()).get("properties", {})}
    return names


def test_rows_of_new_records_are_built_in_one_module() -> None:
    """Check that rows of saved records and of events come from one module."""
    rows = dict(_rows_of("lamin_core/ingest/new_rows.py"))
    del rows["numbered"]  # versions that change their numbers have none for a moment
    assert set(rows) >= {"content", "artifact_series", "artifact_version", "edge", "stub"}
    again = []
    for folder in ("ingest", "saving"):
        for path in sorted((ROOT / "lamin_core" / folder).glob("*.py")):
            for line, keys in _keys_given(ast.parse(path.read_text("utf-8"))):
                again += [f"{path.name}:{line}: {row}" for row in rows if keys >= rows[row]]
    assert [row for row in again if not row.startswith("new_rows.py:")] == []
    assert len(again) >= len(rows)


def _rows_of(module: str) -> Iterator[tuple[str, set[str]]]:
    """The functions of the module that return a dict, with the keys that each names."""
    for node in ast.parse((ROOT / module).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for _, keys in _keys_given(node):
                yield node.name, keys


def _keys_given(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """The keys of each dict display, and the keywords of each call, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            yield node.lineno, {key for key in keys if isinstance(key, str)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "")[:1].isupper():
            yield node.lineno, {word.arg for word in node.keywords if word.arg}


def test_methods_that_records_call_on_the_instance_exist() -> None:
    """Records do not import the type of their instance, so no checker sees a name that it has not."""
    called = set()
    for package in ("models", "runtime"):
        for path in sorted((ROOT / "lamin_core" / package).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and "current_instance()" in ast.unparse(node):
                    called.add(ast.unparse(node).rpartition("current_instance().")[2])
    services = {"files": Files, "contents": Contents, "lineage": LineageService, "runs": RunService}
    assert {"save", "query", "contents.load", "lineage.diff", "runs.end"} <= called
    for names in sorted(called - {""}):
        service, _, rest = names.partition(".")
        assert hasattr(Instance, service), names
        assert not rest or service not in services or hasattr(services[service], rest), names


SMALL_MODULES = {
    "lamin_core.core.schemas": "public: what scripts import",
    "lamin_core.bionty": "public: what scripts import",
    "lamin_core.ontology.*": "the registries load the rest when it is first used",
    "lamin_core.redaction": "public: what scripts import",
    "lamin_core.migrations.env": "Alembic runs it by its path",
    "lamin_core.models.*": "one noun for each module",
    "lamin_core.saving.*": "one saver for each kind of record",
    "lamin_core.cli.*": "a command is loaded by its name when it is called",
    "lamin_prefect.plugin": "Prefect loads it by its name",
    "openlineage.lamin.adapter.text_paths": "the rule for paths in text, for every adapter",
    "lamin_snakemake.command": "a command is loaded by its name when it is called",
    "lamin_snakemake.wrappers.lamin.annotate.*": "Snakemake runs it by its path",
    "lamin_snakemake.wrappers.lamin.save.*": "Snakemake runs it by its path",
    "lamin_snakemake.wrappers.lamin.stage.*": "Snakemake runs it by its path",
    "lamin_nextflow.command": "a command is loaded by its name when it is called",
    "lamin_core.server.lost_run_reaper": "a task beside the routes",
    "openlineage.lamin.receive.registry_sink": "an entry point names it",
    "openlineage.lamin.receive.spool_replay": "a part of the receiver, for the command line alone",
}
"""Modules that may be small although only one other imports them, by name or package, and why."""


def test_no_small_module_has_only_one_importer() -> None:
    importers = _importers()
    alone = []
    for name, path in _named_modules().items():
        is_small = len(path.read_text("utf-8").splitlines()) < 50
        is_excepted = name in SMALL_MODULES or f"{name.rpartition('.')[0]}.*" in SMALL_MODULES
        if is_small and not path.stem.startswith("__") and len(importers[name]) <= 1:
            alone += [] if is_excepted else [name]
    assert alone == []


def _named_modules() -> dict[str, Path]:
    names = {}
    for path in _shipped_modules():
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[1:] if parts[0] == "integrations" else parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


def _importers() -> dict[str, set[str]]:
    """The modules that import each of ours by statement."""
    modules = _named_modules()
    importers: dict[str, set[str]] = {name: set() for name in modules}
    for importer, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for name in _imported(node) & modules.keys() - {importer}:
                importers[name].add(importer)
    return importers


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


def test_arguments_of_records_are_stored_in_one_attribute() -> None:
    """Check that arguments beside columns are in `lamin_core.models.arguments`, not in keys of `__dict__`."""
    key = re.compile(r"(__dict__|vars\(\w+\))(\[|\.(get|pop|setdefault|update)\()f?[\"'_]")
    packages = {"models", "saving", "tracking", "instance"}
    lines = []
    for path in (path for path in _shipped_modules() if path.parent.name in packages):
        text = path.read_text("utf-8").splitlines()
        lines += [f"{path.stem}: {line.strip()}" for line in text if key.search(line)]
    caches = ("arguments: ", "relations: ", "names: ", "functions: ", "noted_files: ")
    assert [line for line in lines if not line.startswith(caches)] == []
    assert any(line.startswith("arguments: ") for line in lines)
