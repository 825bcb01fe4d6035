"""Tags of a run in events are labels of the run."""

from __future__ import annotations

from itertools import permutations

import pytest

from lamin_core.ingest.state_digest import digest
from lamin_core.instance.instance import Instance
from lamin_core.models import Run, ULabel
from lamin_core.runtime import current
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Event, complete, running, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

from .conftest import at, run_of

RUN = run_of(1, "align")


def tagged(event: Event, *tags: facets.Tag) -> Event:
    """The event with these tags of its run."""
    event["run"].setdefault("facets", {})["tags"] = facets.tags("Run", tags)
    return event


def ingest_events(instance: Instance, *events: Event) -> None:
    """Ingest the events."""
    ingest(instance.db, map(parse, events))


def labels_of_the_run(instance: Instance) -> list[tuple[str, str]]:
    """Type (empty without one) and name of each label of the only run."""
    current.set_current_instance(instance)
    try:
        labels = Run.one().ulabels.all()
        return sorted((label.type.name if label.type else "", label.name) for label in labels)
    finally:
        current.set_current_instance(None)


def test_tags_of_the_start_event_become_labels(instance: Instance) -> None:
    ingest_events(
        instance, tagged(start(RUN, at(0)), ("cohort", "b"), ("pilot", "")), complete(RUN, at(1))
    )
    assert labels_of_the_run(instance) == [("", "pilot"), ("cohort", "b")]


def test_tags_of_a_later_event_replace_the_earlier_ones(instance: Instance) -> None:
    ingest_events(instance, tagged(start(RUN, at(0)), ("cohort", "a"), ("pilot", "")))
    ingest_events(instance, tagged(complete(RUN, at(1)), ("cohort", "b")))
    assert labels_of_the_run(instance) == [("cohort", "b")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_tags_in_any_order_give_the_latest(instance: Instance, order: tuple[int, ...]) -> None:
    events = [
        tagged(start(RUN, at(0)), ("cohort", "a")),
        tagged(running(RUN, at(1)), ("cohort", "b")),
        tagged(complete(RUN, at(2)), ("cohort", "c")),
    ]
    for index in order:
        ingest_events(instance, events[index])
    assert labels_of_the_run(instance) == [("cohort", "c")]


def test_deleted_tags_facet_removes_only_the_labels_of_events(instance: Instance) -> None:
    ingest_events(instance, tagged(start(RUN, at(0)), ("cohort", "a")))
    current.set_current_instance(instance)
    Run.one().ulabels.add(ULabel(name="checked").save())
    end = complete(RUN, at(1))
    end["run"].setdefault("facets", {})["tags"] = {
        "_producer": "https://example.org",
        "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet",
        "_deleted": True,
    }
    ingest_events(instance, end)
    assert labels_of_the_run(instance) == [("", "checked")]


def test_rebuild_preserves_the_labels_of_runs(instance: Instance) -> None:
    ingest_events(instance, tagged(start(RUN, at(0)), ("cohort", "a")), complete(RUN, at(1)))
    with instance.db.reading() as session:
        before = digest(session)
    rebuild(instance.db)
    with instance.db.reading() as session:
        assert digest(session) == before
    assert labels_of_the_run(instance) == [("cohort", "a")]
