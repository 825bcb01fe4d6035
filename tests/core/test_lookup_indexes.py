"""Lookups by a prefix use an index, and texts have one order, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import QuerySet
from lamin_core.models.tables import now, table_of

Write = Callable[[str, str], Path]


def plan(instance: Instance, queryset: QuerySet[Any]) -> str:
    """The query plan, when the database has no small table to read whole."""
    with instance.db.reading() as session:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        statement = queryset.ids().compile(
            session.get_bind(), compile_kwargs={"literal_binds": True}
        )
        if not is_sqlite:
            session.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = session.execute(text(f"{explain} {statement}".replace(":", "\\:"))).all()
        return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    ("registry", "lookups", "index"),
    [
        (ln.Artifact, {"uid__startswith": "abcd"}, "uid"),
        (ln.Run, {"uid__startswith": "abcd"}, "uid"),
        (ln.ULabel, {"uid__startswith": "abcd"}, "uid"),
        (ln.ULabel, {"name__startswith": "abcd"}, "name"),
        (ln.ULabel, {"name": "abcd"}, "name"),
        (ln.Feature, {"name__startswith": "abcd"}, "name"),
        (ln.Project, {"name__startswith": "abcd"}, "name"),
        (ln.Transform, {"key__startswith": "abcd"}, "key"),
        (ln.Artifact, {"key__startswith": "abcd"}, "key"),
        (ln.Artifact, {"key": "abcd"}, "key"),
    ],
)
def test_prefix_lookups_use_an_index(
    instance: Instance, registry: Any, lookups: dict[str, Any], index: str
) -> None:
    shown = plan(instance, registry.filter(**lookups))
    assert "SCAN" not in shown
    assert any(
        index in line for line in shown.splitlines() if "Index Cond" in line or "SEARCH" in line
    ), shown


def test_lookup_by_stem_uid_uses_an_index(instance: Instance, write: Write) -> None:
    artifact = ln.Artifact(write("a.txt", "a")).save()
    for uid in (artifact.uid, artifact.stem_uid, artifact.uid[:6]):
        shown = plan(instance, instance.query(ln.Artifact)._by_uid(uid))
        assert "SCAN" not in shown
        assert "Seq Scan" not in shown
        assert ln.Artifact.get(uid) == artifact


TEXTS = [
    "",
    "A",
    "Ab",
    "B",
    "Z",
    "_x",
    "a",
    "a b",
    "ab",
    "b%",
    "b_",
    "z",
    "É",
    "é",
    "Ärger",
    "ärger",
    "日本",
    "\U0001f600",
]


@pytest.fixture
def labels(instance: Instance) -> None:
    """One for each text, as its description, and as its name where it may be one."""
    rows = [
        {
            "uid": f"{n:08d}",
            "name": text or "-",
            "description": text,
            "is_type": False,
            "created_at": now(),
        }
        for n, text in enumerate(TEXTS)
    ]
    with instance.db.writing() as session:
        session.execute(insert(table_of(ln.ULabel)), rows)


def descriptions(**lookups: Any) -> list[str]:
    return sorted(ln.ULabel.filter(**lookups).values_list("description", flat=True))


def test_texts_are_ordered_by_code_point(labels: None) -> None:
    assert ln.ULabel.order_by("description").list("description") == sorted(TEXTS)
    assert ln.ULabel.order_by("-name").list("name") == sorted(
        (string or "-" for string in TEXTS), reverse=True
    )
    for bound in TEXTS:
        assert descriptions(description__gt=bound) == sorted(text for text in TEXTS if text > bound)
        assert descriptions(description__lte=bound) == sorted(
            text for text in TEXTS if text <= bound
        )
        assert descriptions(description__range=("B", bound)) == sorted(
            text for text in TEXTS if "B" <= text <= bound
        )


def test_lookups_are_case_sensitive_except_the_i_variants(labels: None) -> None:
    says: dict[str, Callable[[str, str], bool]] = {
        "exact": lambda text, operand: text == operand,
        "iexact": lambda text, operand: text.lower() == operand.lower(),
        "contains": lambda text, operand: operand in text,
        "icontains": lambda text, operand: operand.lower() in text.lower(),
        "startswith": lambda text, operand: text.startswith(operand),
        "endswith": lambda text, operand: text.endswith(operand),
        "istartswith": lambda text, operand: text.lower().startswith(operand.lower()),
        "iendswith": lambda text, operand: text.lower().endswith(operand.lower()),
        "in": lambda text, operand: text in (operand, "A"),
    }
    for operator, holds in says.items():
        for operand in [*TEXTS, "ÄRGER", "rGe", "É", "B%", "%", "_"]:
            value = [operand, "A"] if operator == "in" else operand
            for field in ("description", "name"):
                expected = sorted(
                    text
                    for text in TEXTS
                    if holds(text if field == "description" else text or "-", operand)
                )
                assert descriptions(**{f"{field}__{operator}": value}) == expected, (
                    field,
                    operator,
                    operand,
                )
    assert descriptions(name__regex="^[A-Z]b?$") == ["A", "Ab", "B", "Z"]
    assert descriptions(name__iregex="^[A-B]B?$") == ["A", "Ab", "B", "a", "ab"]


def test_key_lookups_ignore_case_in_all_scripts(instance: Instance, write: Write) -> None:
    ln.Artifact(write("Ärger.txt", "a")).save()
    assert ln.Artifact.filter(key__icontains="ärGER").count() == 1
    assert ln.Artifact.filter(key__iexact="äRGER.TXT").count() == 1
    assert ln.Artifact.filter(key__istartswith="ä").count() == 1
    for string in ("ärger", "ÄRG", "ärgre"):
        assert [artifact.key for artifact in ln.Artifact.search(string)] == ["Ärger.txt"], string
