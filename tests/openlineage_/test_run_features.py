"""The facet `lamin_features` of a run gives the run values of features."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Feature, Run
from lamin_core.runtime import current
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Event, complete, running, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

from .conftest import at, run_of

RUN = run_of(1, "align")


def measured(event: Event, **values: object) -> Event:
    """The event with these values of features of its run."""
    event["run"]["facets"]["lamin_features"] = facets.lamin_features(values, "Run")
    return event


def ingest_events(instance: Instance, *events: Event) -> None:
    """Ingest the events."""
    ingest(instance.db, map(parse, events))


def features_of_the_run(instance: Instance) -> Mapping[str, Any]:
    """The values of features of the only run."""
    current.set_current_instance(instance)
    try:
        return Run.one().features.get_values()
    finally:
        current.set_current_instance(None)


@pytest.mark.parametrize("order", [*permutations(range(3))][::2])
def test_features_in_any_order_give_the_latest(instance: Instance, order: tuple[int, ...]) -> None:
    events = [
        start(RUN, at(0)),
        measured(running(RUN, at(1)), seconds=1.5, tool="a"),
        measured(complete(RUN, at(2)), seconds=2.5, rows=3),
    ]
    for index in order:
        ingest_events(instance, events[index])
    assert features_of_the_run(instance) == {"seconds": 2.5, "rows": 3}


def test_features_of_events_are_queryable_and_survive_a_rebuild(instance: Instance) -> None:
    ingest_events(instance, measured(complete(RUN, at(1)), seconds=2.5))
    current.set_current_instance(instance)
    Feature(name="checked", dtype="bool").save()
    Run.one().features.add_values({"checked": True})
    assert Run.filter(seconds__gt=2).count() == 1
    assert Run.filter(seconds__gt=3).count() == 0
    assert "facets" not in (Run.one().details or {})
    rebuild(instance.db)
    assert features_of_the_run(instance) == {"seconds": 2.5, "checked": True}


def test_deleted_features_facet_leaves_the_features_of_users(instance: Instance) -> None:
    ingest_events(instance, measured(running(RUN, at(0)), seconds=2.5))
    current.set_current_instance(instance)
    Feature(name="checked", dtype="bool").save()
    Run.one().features.add_values({"checked": True})
    end = complete(RUN, at(1))
    end["run"]["facets"]["lamin_features"] = {
        "_producer": "https://example.org",
        "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet",
        "_deleted": True,
    }
    ingest_events(instance, end)
    assert features_of_the_run(instance) == {"checked": True}
