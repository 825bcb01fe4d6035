"""Searching: ranked, typos forgiven, the same on both databases, in step with the tables."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import search
from lamin_core.models.tables import now, table_of
from lamin_core.query import search as ranking


def names(records: object) -> list[str]:
    return [label.name for label in records]  # type: ignore[attr-defined]


@pytest.fixture
def labels(instance: Instance) -> None:
    """Some with words in common."""
    ln.save(
        [
            ln.ULabel(name="Candidate marker experiment"),
            ln.ULabel(name="marker"),
            ln.ULabel(name="Markers of exhaustion", description="in T cells"),
            ln.ULabel(name="biomarker"),
            ln.ULabel(name="IFNG"),
            ln.ULabel(name="DMSO", description="a solvent"),
            ln.ULabel(name="T cell"),
        ]
    )


FOUND = {
    "marker": ["marker", "Markers of exhaustion", "Candidate marker experiment", "biomarker"],
    "MARKER experiment": ["Candidate marker experiment"],
    "experiment marker": ["Candidate marker experiment"],
    "cells": ["Markers of exhaustion"],
    "solvent": ["DMSO"],
    "T cell": ["T cell", "Markers of exhaustion"],
    "IFNJ": ["IFNG"],
    "experimnet": ["Candidate marker experiment"],
    "cadidate": ["Candidate marker experiment"],
    "exaustion": ["Markers of exhaustion"],
    "nothing like it": [],
    "": [],
    "   ": [],
    '"': [],
    "NEAR(": [],
    "*": [],
}
"""What a search gives, in this order, on both databases."""


def test_search_ranks_the_best_match_first_and_tolerates_typos(labels: None) -> None:
    assert {string: names(ln.ULabel.search(string)) for string in FOUND} == FOUND


def test_search_can_be_filtered_limited_and_converted_to_a_data_frame(labels: None) -> None:
    assert names(ln.ULabel.search("marker", limit=2)) == ["marker", "Markers of exhaustion"]
    assert ln.ULabel.search("marker").df()["name"].iloc[0] == "marker"
    assert names(ln.ULabel.filter(name__startswith="bio").search("marker")) == ["biomarker"]
    assert names(ln.ULabel.search("marker").filter(name__icontains="exp")) == [
        "Candidate marker experiment"
    ]
    assert names(ln.ULabel.search("cells", field="name")) == [
        "T cell"
    ]  # a typo away, where the words are nowhere
    assert names(ln.ULabel.search("solvent", field=ln.ULabel.description)) == ["DMSO"]
    with pytest.raises(ln.errors.InvalidArgument, match="did you mean name"):
        ln.ULabel.search("x", field="nmae")


@pytest.fixture
def large_registry(instance: Instance) -> Instance:
    """More than are ranked whole, written past the models."""
    rows = [
        {
            "uid": f"{n:08d}",
            "name": f"sample{n:05d} of plate {n % 96:02d}",
            "is_type": False,
            "created_at": now(),
        }
        for n in range(2_500)
    ]
    with instance.db.writing() as session:
        session.execute(insert(table_of(ln.ULabel)), rows)
    return instance


def test_search_in_a_large_registry_uses_the_index(large_registry: Instance) -> None:
    assert names(ln.ULabel.search("sample01234")) == ["sample01234 of plate 82"]
    assert names(ln.ULabel.search("smaple01234")) == ["sample01234 of plate 82"]
    assert names(ln.ULabel.search("sampel01234")) == ["sample01234 of plate 82"]
    assert len(ln.ULabel.search("plate")) == 20
    assert names(ln.ULabel.search("sample00007", limit=1)) == ["sample00007 of plate 07"]
    assert len(ln.ULabel.search("plate", limit=None)) == 500


def test_search_index_follows_changes_of_labels(large_registry: Instance) -> None:
    label = ln.ULabel.get(name="sample01234 of plate 82")
    label.name = "renamed entirely"
    label.save()
    assert label.uid not in [match.uid for match in ln.ULabel.search("sample01234")]
    assert names(ln.ULabel.search("entirely")) == ["renamed entirely"]
    label.delete()
    assert names(ln.ULabel.search("entirely")) == []
    with (
        large_registry.db.writing() as session
    ):  # making it anew, as after a migration, changes nothing
        search.index(session.connection())
    assert names(ln.ULabel.search("sample01235")) == ["sample01235 of plate 83"]


def test_trigram_query_uses_the_search_index(large_registry: Instance) -> None:
    with large_registry.db.reading() as session:
        if session.get_bind().dialect.name == "sqlite":
            result = session.execute(
                text("SELECT count(*) FROM search_ulabel WHERE search_ulabel MATCH 'ple01234'")
            )
            assert result.scalar() == 1
        else:
            session.execute(text("SET enable_seqscan = off"))
            query = "EXPLAIN SELECT id FROM ulabel WHERE lamin_trigrams({}) @> ARRAY{}"
            statement = query.format(
                search.together(search.SEARCHED["ulabel"]), search.trigrams("sample01234")
            )
            plan = session.execute(text(statement)).scalars()
            assert any("search_ulabel" in line for line in plan)


def test_search_index_contains_every_trigram_of_a_text(instance: Instance) -> None:
    texts = [
        "",
        "a",
        "ab",
        "abc",
        "ABCDEFGH",
        "Zelle β-Actin",
        "日本語のラベル",
        "a\\b'c\"d%_",
        "x" * 50_000 + "end of it",
    ]
    with instance.db.reading() as session:
        if session.get_bind().dialect.name == "postgresql":
            for string in texts:
                trigrams = session.execute(
                    text("SELECT lamin_trigrams(:text)"), {"text": string}
                ).scalar_one()
                assert set(search.trigrams(string.lower())) <= set(trigrams)
    ln.save([ln.ULabel(name=f"label {n}", description=string) for n, string in enumerate(texts)])
    assert names(ln.ULabel.search("end of it")) == [f"label {len(texts) - 1}"]
    ln.ULabel(name="several lines", description="first\nsecond\n\tthird").save()
    assert names(ln.ULabel.search("third first")) == ["several lines"]


def test_search_with_typos_uses_the_index(large_registry: Instance) -> None:
    assert names(ln.ULabel.search("smaple01234 plaet", limit=1)) == ["sample01234 of plate 82"]
    with large_registry.db.reading() as session:
        if session.get_bind().dialect.name == "sqlite":
            return
        session.execute(text("ANALYZE ulabel"))
        session.execute(text("SET enable_seqscan = off"))
        source = ranking._Source(
            session,
            ln.ULabel,
            large_registry.query(ln.ULabel)._query,
            list(ln.ULabel._search_fields),
        )
        statement = source._query.where(source.nearly(["smaple01234"])).limit(500)
        shown = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = list(session.execute(text(f"EXPLAIN {shown}".replace(":", "\\:"))).scalars())
    assert any("Bitmap Index Scan on search_ulabel" in line for line in plan)
    assert not any("Filter" in line and "lamin_trigrams" in line for line in plan)


def test_search_without_an_index_returns_the_same(
    large_registry: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [names(ln.ULabel.search(string)) for string in ("sample01234", "smaple01234")]
    monkeypatch.setattr(search, "SEARCHED", {})
    assert [
        names(ln.ULabel.search(string)) for string in ("sample01234", "smaple01234")
    ] == expected


def test_search_returns_the_latest_of_several_versions(instance: Instance) -> None:
    ln.Transform(key="intro.py", source_code="1", description="An introduction").save()
    newer = ln.Transform(key="intro.py", source_code="2", description="An introduction").save()
    assert [transform.uid for transform in ln.Transform.search("introduction")] == [newer.uid]
    assert ln.Transform.search("intro").df()["uid"].tolist() == [newer.uid]


def test_search_works_for_letters_of_all_scripts(instance: Instance) -> None:
    ln.save([ln.ULabel(name="Zelle β-Actin"), ln.ULabel(name="日本語のラベル")])
    assert names(ln.ULabel.search("β-act")) == ["Zelle β-Actin"]
    assert names(ln.ULabel.search("本語の")) == ["日本語のラベル"]
