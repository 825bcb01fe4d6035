"""Edits of saved records: what people say of them is written, what identifies them or is derived is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Date, DateTime, Integer, inspect, select

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, LaminError
from lamin_core.instance.instance import Instance
from lamin_core.models import Registry
from lamin_core.models.base import public_name
from lamin_core.models.tables import UTC_DateTime, now

Write = Callable[[str, str], Path]


@pytest.fixture
def records(instance: Instance, write: Write) -> list[Any]:
    """A record of each registry."""
    transform = ln.Transform(key="t.py", source_code="1").save()
    run = ln.Run(transform, name="run", params={"a": 1}).save()
    artifact = ln.Artifact(write("outside/a.txt", "a"), key="a.txt", run=run).save()
    feature = ln.Feature(name="depth", dtype=int).save()
    artifact.features.add_values({"depth": 5})
    return [
        *(
            artifact,
            run,
            transform,
            feature,
            ln.ULabel(name="label").save(),
            ln.Project(name="project").save(),
        ),
        *(
            ln.Reference(name="paper").save(),
            ln.Schema([feature]).save(),
            ln.Collection([artifact], key="c").save(),
        ),
        *(ln.Storage.filter(is_managed=True).one(), ln.User.filter().first()),
    ]


def _another(column: Any, value: Any) -> Any:
    """A value of the column's type that it does not have."""
    kind = column.type
    if isinstance(kind, Boolean):
        return not value
    if isinstance(kind, Integer | BigInteger):
        return (value or 0) + 7
    if isinstance(kind, DateTime | UTC_DateTime):
        return now() + dt.timedelta(days=1)
    if isinstance(kind, Date):
        return dt.date(2026, 1, 1)
    if column.key == "kind":
        return "notebook"
    return {"x": 1} if isinstance(kind, JSON) else "another"


def _columns(record: Registry) -> dict[str, Any]:
    return {attribute.key: attribute.columns[0] for attribute in inspect(type(record)).column_attrs}


def _row(instance: Instance, record: Any) -> dict[str, Any]:
    table = type(record).__table__
    with instance.db.reading() as session:
        return dict(session.execute(select(table).where(table.c.id == record.id)).mappings().one())


def test_identifying_and_derived_fields_cannot_be_edited_in_any_registry(
    instance: Instance, records: list[Any]
) -> None:
    refused = 0
    for record in records:
        before = _row(instance, record)
        for name, column in _columns(record).items():
            if name in (*record._editable, *record._editable_alone):
                continue
            edited = type(record).get(before["uid"])
            setattr(edited, name, _another(column, before[name]))
            with pytest.raises(
                InvalidArgument, match=f"'{public_name(type(record), name)}' of"
            ) as failure:
                edited.save()
            assert failure.value.hint, name
            with pytest.raises(InvalidArgument):
                ln.save([edited])
            with pytest.raises(InvalidArgument):
                type(record).filter(uid=before["uid"]).update(
                    **{name: _another(column, before[name])}
                )
            refused += 1
        assert _row(instance, record) == before
    assert refused > 100


def _edit(record: Any, name: str, value: Any) -> None:
    setattr(record, name, value)
    record.save()


def test_wrong_value_types_are_refused_in_every_editable_field(
    instance: Instance, records: list[Any]
) -> None:
    wrong = [object(), b"x", 1j, 2**70, "\ud800", "a\0b", {1}]
    for record in records:
        before = _row(instance, record)
        for name in (*record._editable, *record._editable_alone):
            for value in wrong:
                edited = type(record).get(before["uid"])
                if name == "params" and isinstance(value, str | int):
                    continue
                with pytest.raises(LaminError):
                    _edit(edited, name, value)
        assert _row(instance, record) == before


def test_editable_fields_are_saved(instance: Instance, records: list[Any]) -> None:
    for record in records:
        for name in record._editable:
            column = _columns(record)[name]
            value = _another(column, getattr(record, name))
            setattr(record, name, value)
            record.save()
            assert _row(instance, record)[name] == value, name


def test_setting_derived_attributes_and_unknown_names_is_refused(
    records: list[Any],
) -> None:
    artifact, run, transform, *_ = records
    for record, name in ((artifact, "hash"), (artifact, "size"), (artifact, "path"), (run, "duration"),
                         (run, "report"), (transform, "version"), (transform, "type")):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"'{name}' of .* cannot be changed") as failure:
            setattr(record, name, "x")
        assert failure.value.hint
    with pytest.raises(
        InvalidArgument, match=r"no field 'descripton'\n  hint: did you mean description"
    ):
        artifact.descripton = "x"
    with pytest.raises(InvalidArgument, match=r"record.ulabels.add"):
        artifact.ulabels = []


def test_changing_the_key_of_a_saved_artifact_is_refused(
    instance: Instance, records: list[Any]
) -> None:
    artifact = records[0]
    for key in ("b.txt", "../../x.txt", "", "a.csv"):
        artifact.key = key
        with pytest.raises(InvalidArgument, match=r"ln.Artifact\(artifact.cache\(\), key="):
            artifact.save()
    artifact.key = "a.txt"
    artifact.save()
    assert ln.Artifact(artifact.cache(), key="b.txt").save().hash == artifact.hash


def test_dtype_of_a_feature_can_change_until_it_has_values(
    instance: Instance, records: list[Any]
) -> None:
    used, unused = records[3], ln.Feature(name="height", dtype=int).save()
    unused.dtype = "float"
    unused.default_value = 1
    assert unused.save().dtype == "float"
    unused.default_value = "tall"
    with pytest.raises(LaminError, match="is str, not float"):
        unused.save()
    for dtype, error in (
        ("float", Conflict),
        ("nonsense", InvalidArgument),
        ("cat[Nothing]", InvalidArgument),
    ):
        used.dtype = dtype
        with pytest.raises(error):
            used.save()
    label = ln.ULabel(name="kind", is_type=True).save()
    colour = ln.Feature(name="colour", dtype="cat[ULabel]").save()
    records[0].labels.add(label, feature=colour)
    colour.dtype = "str"
    with pytest.raises(Conflict, match="has values"):
        colour.save()


def test_label_types_cannot_be_circular_and_used_types_stay_types(instance: Instance) -> None:
    outer = ln.ULabel(name="outer", is_type=True).save()
    inner = ln.ULabel(name="inner", is_type=True, type=outer).save()
    plain = ln.ULabel(name="plain").save()
    for label, kind in ((outer, inner), (outer, outer), (inner, plain)):
        label.type = kind
        with pytest.raises(InvalidArgument):
            label.save()
    plain.type = inner
    assert plain.save().type == inner
    again = ln.ULabel.get(inner.uid)
    again.is_type = False
    with pytest.raises(Conflict, match="the type of other labels"):
        again.save()
    with pytest.raises(Conflict, match="the types of others"):
        ln.ULabel.filter(name="inner").update(is_type=False)
    with pytest.raises(InvalidArgument, match="is not saved"):
        plain.type = ln.ULabel(name="new", is_type=True)


def test_version_tag_is_unique_within_a_transform_series(instance: Instance) -> None:
    first = ln.Transform(key="a.py", source_code="1").save()
    second = ln.Transform(key="a.py", source_code="2").save()
    first.version_tag = "1.0"
    assert first.save().version == "1.0"
    second.version_tag = "1.0"
    with pytest.raises(Conflict, match="choose another tag"):
        second.save()


def test_invalid_fields_set_before_the_first_save_are_refused(
    instance: Instance, write: Write
) -> None:
    def edited(record: Any, **values: Any) -> Any:
        for name, value in values.items():
            setattr(record, name, value)
        return record

    transform = ln.Transform(key="a.py").save()
    file = write("outside/a.txt", "a")
    for record in (
        edited(ln.Artifact(file, key="a.txt"), key="../../x.txt"),
        edited(ln.Artifact(file, key="a.txt"), uid="x" * 20),
        edited(ln.Artifact(file, key="a.txt"), deleted_at=now()),
        edited(ln.Artifact(file, key="a.txt"), n_observations="many"),
        edited(ln.ULabel(name="a"), uid="mine"),
        edited(ln.ULabel(name="a"), id=7),
        edited(ln.ULabel(name="a"), created_at=now()),
        edited(ln.Feature(name="f", dtype=int), dtype="nonsense"),
        edited(ln.Feature(name="f", dtype=int), default_value="x"),
        edited(ln.Run(transform), status="nonsense"),
        edited(ln.Run(transform), uid="x"),
        edited(ln.Run(transform), params={"a": object()}),
        edited(ln.Transform(key="b.py"), key=" "),
        edited(ln.Transform(key="b.py"), number=7),
        edited(ln.Storage("s"), root=""),
    ):
        for save in (record.save, lambda record=record: ln.save([record])):
            with pytest.raises(LaminError) as failure:
                save()
            assert failure.value.hint
    assert ln.Artifact.count() == ln.ULabel.count() == ln.Feature.count() == ln.Run.count() == 0


def test_numpy_numbers_and_iso_dates_are_accepted(instance: Instance, records: list[Any]) -> None:
    artifact, project = records[0], records[5]
    artifact.n_observations = np.int64(3_000_000_000)
    assert artifact.save().n_observations == 3_000_000_000
    project.start_date = "2026-01-31"
    assert project.save().start_date == dt.date(2026, 1, 31)
    ln.Project.filter(name="project").update(end_date="2026-02-01")
    assert ln.Project.get(name="project").end_date == dt.date(2026, 2, 1)
