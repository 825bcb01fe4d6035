"""Every public name of LaminDB 2.12 works, or is refused by an error that says what to use instead.

`lamindb_surface.json` has the names and parameters that this package lacked when the two were first
compared, as introspection gives them.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lamin_core as ln
from lamin_core import errors
from lamin_core.instance.instance import Instance
from lamin_core.models.base import _parameters
from lamin_core.models.lamindb_names import check_options, checked_arguments

SURFACE = json.loads(Path(__file__).with_suffix("").with_name("lamindb_surface.json").read_text())
ANYTHING = {"queries", "expressions"}
"""What LaminDB calls `*args` and `**kwargs`."""


def _is_answered(thing: Any, name: str) -> bool:
    try:
        getattr(thing, name)
    except errors.NotHere as error:
        return bool(error.hint)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("registry", SURFACE["registries"])
def test_lamindb_registry_names_work_or_name_the_replacement(
    embedded: Instance, registry: str
) -> None:
    kind = getattr(ln, registry)
    names = SURFACE["registries"][registry]["names"]
    assert [name for name in names if not _is_answered(kind, name)] == []


def _functions() -> Iterator[tuple[str, Any, list[str]]]:
    for name, parameters in SURFACE["functions"].items():
        yield name, getattr(ln, name), parameters
    for registry, parts in SURFACE["registries"].items():
        for name, parameters in parts["parameters"].items():
            yield f"{registry}.{name}", getattr(getattr(ln, registry), name), parameters


def test_lamindb_function_parameters_are_accepted() -> None:
    unanswered = []
    for name, function, parameters in _functions():
        signature = inspect.signature(function).parameters
        for parameter in {*parameters} - {*signature} - ANYTHING:
            if not _is_option(name, parameter):
                unanswered.append(f"{name}({parameter}=)")
    assert unanswered == []


def _is_option(function: str, parameter: str) -> bool:
    called = function.rpartition(".")[2].replace("from_dataframe", "from_df")
    if called == "get":
        return parameter == "idlike"
    for name in (called, function):
        try:
            check_options(name, {parameter: "value"})
        except errors.NotHere as error:
            return bool(error.hint)
        except errors.InvalidArgument:
            continue
        return True
    return False


def test_unsupported_and_unknown_options_are_refused(embedded: Instance) -> None:
    with pytest.raises(errors.NotHere, match="case_sensitive"):
        ln.ULabel.search("x", case_sensitive=True)
    assert ln.ULabel.search("x", case_sensitive=False).count() == 0
    with pytest.raises(errors.InvalidArgument, match="save takes no argument 'bath_size'"):
        ln.save([], bath_size=3)
    ln.save([ln.ULabel(name="a")], batch_size=1)
    assert ln.ULabel.get(idlike=ln.ULabel.get(name="a").uid).name == "a"


@pytest.mark.parametrize("registry", SURFACE["constructors"])
def test_lamindb_constructor_arguments_work_or_name_the_replacement(registry: str) -> None:
    parameters = _parameters(getattr(ln, registry))
    for argument in SURFACE["constructors"][registry]:
        with contextlib.suppress(errors.NotHere):  # any other error fails the test
            checked_arguments(registry, parameters, {argument: "value"})


def test_lamindb_names_of_modules_errors_and_settings_exist(embedded: Instance) -> None:
    assert [name for name in SURFACE["top"] if not _is_answered(ln, name)] == []
    assert [name for name in SURFACE["errors"] if not hasattr(errors, name)] == []
    for path, names in SURFACE["settings"].items():
        thing: Any = ln
        for part in path.split(".")[1:]:
            thing = getattr(thing, part)
        assert [name for name in names if not _is_answered(thing, name)] == []


def test_lamindb_names_of_relations_and_fields_are_aliases(embedded: Instance) -> None:
    transform = ln.Transform(name="a.py", version_tag="1.0").save()  # type: ignore[call-arg]
    assert (transform.key, transform.version) == ("a.py", "1.0")
    first = ln.Run(transform).save()
    second = ln.Run(transform, initiated_by_run=first).save()
    assert list(first.initiated_runs) == [second]
    Path("a.txt").write_text("a")
    artifact = ln.Artifact("a.txt", key="b.txt", run=first)
    assert artifact.cache().read_text() == "a"
    artifact.save()
    second.output_artifacts.add(artifact)
    assert list(artifact.recreating_runs) == [second]
    assert list(second.recreated_artifacts) == [artifact]
    assert list(first.recreated_artifacts) == []
    assert artifact in artifact.storage.artifacts.all()
    assert artifact.storage.path == Path(artifact.storage.root)
    user = artifact.created_by
    assert list(user.created_runs.all()) == [first, second]
    assert list(user.created_transforms.all()) == [transform]
    assert list(user.created_artifacts.all()) == [artifact]
    collection = ln.Collection([artifact], name="all").save()  # type: ignore[call-arg]
    assert (collection.key, collection.transform) == ("all", None)
    features = ln.Feature.from_dict({"n": 1, "names": ["a"], "ok": True})
    assert [(feature.name, feature.dtype) for feature in features] == [
        ("n", "int"),
        ("names", "list[str]"),
        ("ok", "bool"),
    ]
    score = ln.Param(name="score", dtype=float, coerce_dtype=True).save()  # type: ignore[call-arg]
    assert (score.coerce, score.coerce_dtype) == (True, True)
    schema = ln.Schema([score], coerce_dtype=True).save()  # type: ignore[call-arg]
    assert (schema.n, schema.coerce_dtype) == (1, True)
    assert (ln.settings.instance.is_on_hub, ln.settings.instance.is_remote) == (False, False)
