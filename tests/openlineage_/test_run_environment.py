"""The facet `lamin_environment` of a run becomes an environment, stored once for each different set."""

from __future__ import annotations

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.models import Environment, Run
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Event, complete, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

from .conftest import at, run_of


def installed(event: Event, **versions: str) -> Event:
    """The event with these packages of conda in the environment of its run."""
    event["run"]["facets"]["lamin_environment"] = facets.lamin_environment(
        "3.12", "linux", {}, versions, {"env.yaml": "text"}
    )
    return event


@pytest.mark.usefixtures("connected")
def test_ingest_environment_is_stored_once_and_survives_a_rebuild(instance: Instance) -> None:
    first, second, third = (run_of(number, f"job{number}") for number in range(3))
    events = [
        installed(start(first, at(0)), samtools="1.16"),
        installed(start(second, at(0)), samtools="1.17"),
        installed(complete(first, at(1)), samtools="1.17"),
        start(third, at(0)),
    ]
    for event in events:
        ingest(instance.db, [parse(event)])
    for _ in range(2):
        a, b, c = (Run.get(external_id=run.id) for run in (first, second, third))
        assert a.environment is not None
        assert a.environment == b.environment
        assert (a.environment.conda, a.environment.locks) == (
            {"samtools": "1.17"},
            {"env.yaml": "text"},
        )
        assert c.environment is None
        assert a.details is None
        rebuild(instance.db)
    assert Environment.filter().count() == 2
