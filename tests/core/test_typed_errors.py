"""Whatever is passed to the Python API: it works, or raises an error of ours; never a bare error of Python or SQL."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import LaminError
from lamin_core.instance.instance import Instance

Call = Callable[[Any], Any]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


VALUES: dict[str, Any] = {
    "None": None,
    "3": 3,
    "-1": -1,
    "2**31": 2**31,
    "2**70": 2**70,
    "1.5": 1.5,
    "nan": math.nan,
    "inf": math.inf,
    "True": True,
    "complex": 1j,
    "Decimal": Decimal("1.5"),
    "empty": "",
    "blank": "  ",
    "surrogate": "\ud800",
    "NUL": "a\0b",
    "long": "x" * 100_000,
    "newline": "a\nb",
    "quote": "'; DROP TABLE run; --",
    "percent": "%",
    "emoji": "🧬",
    "dunder": "a__b",
    "minus": "-",
    "dots": "../none-such",
    "bytes": b"\xff",
    "bytearray": bytearray(b"a"),
    "list": [],
    "list of None": [None],
    "tuple": (1, 2),
    "set": {1},
    "dict": {},
    "odd dict": {3: object()},
    "object": object(),
    "class": int,
    "function": len,
    "Path": Path("a/b"),
    "date": dt.date(2026, 1, 1),
    "naive": dt.datetime(2026, 1, 1),
    "nested": _nested(300),
    "array": np.array([1, 2]),
    "frame": pd.DataFrame({"a": [1]}),
    "NaT": pd.NaT,
    "slice": slice(1, 2),
    "registry": ln.ULabel,
    "range": range(3),
}


def _lookups() -> Iterator[tuple[str, Call]]:
    fields = (
        "uid",
        "key",
        "number",
        "is_latest",
        "created_at",
        "description",
        "run",
        "run__params__a",
        "size",
    )
    for field in fields:
        for operator in ("", "__in", "__gt", "__contains", "__range", "__isnull", "__startswith"):
            name = f"{field}{operator}"
            yield (
                f"Artifact.filter({name}=)",
                lambda value, name=name: ln.Artifact.filter(**{name: value}).count(),
            )
    for operator in ("__regex", "__iexact", "__icontains", "__endswith", "__lte", "__date"):
        yield (
            f"ULabel.filter(name{operator}=)",
            lambda v, o=operator: ln.ULabel.filter(**{f"name{o}": v}).count(),
        )


def _queries() -> Iterator[tuple[str, Call]]:
    for registry in (ln.Artifact, ln.Run, ln.ULabel, ln.Transform):
        label = registry.__name__
        yield f"{label}.get", lambda v, r=registry: r.get(v)
        yield f"{label}.filter(*)", lambda v, r=registry: r.filter(v).count()
        yield f"{label}.order_by", lambda v, r=registry: r.order_by(v).first()
        yield f"{label}.df(limit=)", lambda v, r=registry: r.df(limit=v)
        yield f"{label}.df(include=)", lambda v, r=registry: r.df(include=v)
        yield f"{label}.search", lambda v, r=registry: r.search(v).list()
        yield f"{label}.search(field=)", lambda v, r=registry: r.search("a", field=v).list()
        yield f"{label}.search(limit=)", lambda v, r=registry: r.search("a", limit=v).list()
        yield f"{label}.lookup(field)", lambda v, r=registry: r.lookup(v)
        yield f"{label}.lookup(return_field)", lambda v, r=registry: r.lookup(None, v)
        yield f"{label}.from_values", lambda v, r=registry: r.from_values(v)
        yield f"{label}.from_values(field)", lambda v, r=registry: r.from_values(["a"], v)
        yield f"{label}.inspect", lambda v, r=registry: r.inspect(v)
        yield f"{label}.validate(field)", lambda v, r=registry: r.validate(["a"], v)
        yield f"{label}.standardize", lambda v, r=registry: r.standardize(v)
        yield f"{label}.all().list(field)", lambda v, r=registry: r.all().to_list(v)
        yield f"{label}.values_list", lambda v, r=registry: r.all().values_list(v)
        yield f"{label}.update", lambda v, r=registry: r.filter(uid="none").update(description=v)
    yield "Artifact[...]", lambda value: ln.Artifact.all()[value]


def _with(key: str, name: str, value: Any) -> dict[str, Any]:
    return {"key": key, name: value}


def _constructors(
    artifact: ln.Artifact, feature: ln.Feature, file: Path
) -> Iterator[tuple[str, Call]]:
    def saved(make: Callable[..., Any], field: str, /, **values: Any) -> Call:
        return lambda value: make(**values | {field: value}).save()

    for name in ("name", "type", "is_type", "description"):
        yield (
            f"ULabel({name}=)",
            saved(ln.ULabel, name, **({} if name == "name" else {"name": "label"})),
        )
    for name in ("dtype", "description", "unit", "nullable", "default_value", "coerce"):
        arguments = {"name": f"of {name}"} | ({} if name == "dtype" else {"dtype": int})
        yield f"Feature({name}=)", saved(ln.Feature, name, **arguments)
    for name in ("abbr", "url", "start_date"):
        yield f"Project({name}=)", saved(ln.Project, name, name=f"of {name}")
    for name in ("doi", "pubmed_id", "date"):
        yield f"Reference({name}=)", saved(ln.Reference, name, name=f"of {name}")
    for name in (
        "key",
        "kind",
        "version",
        "description",
        "source_code",
        "revises",
        "uid",
        "namespace",
        "type",
    ):
        arguments = {} if name == "key" else {"key": f"of-{name}.py"}
        yield f"Transform({name}=)", saved(ln.Transform, name, **arguments)
    transform = ln.Transform(key="runs.py").save()
    yield "Run()", lambda value: ln.Run(value).save()
    for name in ("name", "params", "status", "parent", "reference", "entrypoint"):
        yield f"Run({name}=)", lambda v, n=name: ln.Run(transform, **{n: v}).save()
    yield "Artifact()", lambda value: ln.Artifact(value, key="x.txt").save()
    for name in ("key", "description", "revises", "run", "kind", "storage"):
        yield (
            f"Artifact({name}=)",
            lambda v, n=name: ln.Artifact(file, **_with("y.txt", n, v)).save(),
        )
    yield "Artifact.from_df", lambda value: ln.Artifact.from_df(value, key="t.parquet")
    yield "Artifact.from_anndata", lambda value: ln.Artifact.from_anndata(value, key="t.h5ad")
    yield "Artifact.from_dir", lambda value: ln.Artifact.from_dir(value)
    yield "Collection()", lambda value: ln.Collection(value, key="c").save()
    yield "Collection(key=)", lambda value: ln.Collection([artifact], key=value).save()
    yield "Schema()", lambda value: ln.Schema(value).save()
    for name in ("name", "itype", "otype", "dtype", "slots", "index", "coerce"):
        yield f"Schema({name}=)", lambda v, n=name: ln.Schema([feature], **{n: v}).save()
    yield "Storage()", lambda value: ln.Storage(value)
    yield "ln.save", lambda value: ln.save(value)
    yield "ln.Q", lambda value: ln.Artifact.filter(ln.Q(value)).count()
    yield "Feature ==", lambda value: ln.Artifact.filter(feature == value).count()
    yield "Feature >", lambda value: ln.Artifact.filter(feature > value).count()


def _methods(
    artifact: ln.Artifact, run: ln.Run, label: ln.ULabel, feature: ln.Feature
) -> Iterator[tuple[str, Call]]:
    yield "ulabels.add", lambda value: artifact.ulabels.add(value)
    yield "ulabels.remove", lambda value: artifact.ulabels.remove(value)
    yield "ulabels.set", lambda value: artifact.ulabels.set(value)
    yield "labels.add", lambda value: artifact.labels.add(value)
    yield "labels.add(feature=)", lambda value: artifact.labels.add(label, feature=value)
    yield "features.add_values", lambda value: artifact.features.add_values(value)
    yield (
        "features.add_values(x)",
        lambda value: artifact.features.add_values({feature.name: value}),
    )
    yield "features.remove_values", lambda value: artifact.features.remove_values(value)
    yield "features[...]", lambda value: artifact.features[value]
    yield "run.fail", lambda value: run.fail(value)
    yield "run.diff", lambda value: run.diff(value)
    yield "add_synonym", lambda value: label.add_synonym(value)
    yield "remove_synonym", lambda value: label.remove_synonym(value)
    yield "view_parents(distance=)", lambda value: label.view_parents(distance=value)
    yield "view_parents(field)", lambda value: label.view_parents(value)
    for name in ("up", "down", "as_of"):
        yield f"view_lineage({name}=)", lambda v, n=name: artifact.view_lineage(**{n: v})
    yield "replace", lambda value: artifact.replace(value)
    yield "cache(is_run_input=)", lambda value: artifact.cache(is_run_input=value)
    yield "load(trust=)", lambda value: artifact.load(trust=value)
    for record, names in (
        (
            artifact,
            (
                "description",
                "kind",
                "n_observations",
                "key",
                "hash",
                "storage",
                "run",
                "created_at",
                "ulabels",
            ),
        ),
        (label, ("description", "is_type", "type", "synonyms", "uid", "parents")),
        (feature, ("dtype", "unit", "nullable", "default_value")),
        (run, ("params", "reference_type", "status", "transform", "started_at", "id")),
    ):
        for name in names:
            yield f"{type(record).__name__}.{name} =", lambda v, r=record, n=name: _edited(r, n, v)


def _edited(record: Any, name: str, value: Any) -> None:
    again = type(record).get(record.uid)
    setattr(again, name, value)
    again.save()


@pytest.fixture
def calls(instance: Instance, outside: Path) -> dict[str, Call]:
    """The public calls that take a value, by name."""
    file = outside / "y.txt"
    file.write_text("y")
    run = ln.Run(ln.Transform(key="t.py").save(), params={"a": 1}).save()
    artifact = ln.Artifact(file, key="y.txt", run=run).save()
    feature = ln.Feature(name="depth", dtype=int).save()
    label = ln.ULabel(name="a").save()
    parts = (
        _lookups(),
        _queries(),
        _constructors(artifact, feature, file),
        _methods(artifact, run, label, feature),
    )
    return {name: call for part in parts for name, call in part}


def _raised(call: Call, value: Any) -> Exception | None:
    try:
        call(value)
    except Exception as error:
        return error
    return None


def _bare_errors(calls: dict[str, Call], step: int) -> Counter[str]:
    """Make every call with every `step`th value, another one for each call; count errors that are not ours."""
    bare: Counter[str] = Counter()
    names = list(VALUES)
    for number, (name, call) in enumerate(calls.items()):
        for shown in names[number % step :: step]:
            error = _raised(call, VALUES[shown])
            is_ours = error is None or isinstance(error, LaminError)
            is_end = isinstance(error, IndexError) and name == "Artifact[...]"  # as lists say it
            if not is_ours and not is_end:
                bare[f"{name} <- {shown}: {type(error).__name__}: {str(error)[:120]!a}"] += 1
    return bare


def test_calls_with_values_of_any_kind_work_or_raise_lamin_errors(
    calls: dict[str, Call], capsys: Any
) -> None:
    assert len(calls) > 150
    assert _bare_errors(calls, step=8) == Counter()
