"""Other OpenLineage backends, as configured for openlineage-python, also get the events of our adapters.

The transports of `openlineage.yml` and of `OPENLINEAGE__TRANSPORT__...` become destinations of
their own, each with its part of the spool, so that a dead one holds up no other: those of a
`composite` too, unless its user wants it to stop at the first success or failure. The configured
filters, tags and facets are applied by openlineage-python itself.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openlineage.lamin.emit.acknowledgement import FINAL_REFUSALS
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.sinks import Destination, PermanentRejection, Sink

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

logger = logging.getLogger("lamin")
_VARIABLES = "OPENLINEAGE__TRANSPORT"
_ALIAS = "default_http"
"""The name that openlineage-python gives to OPENLINEAGE_URL among the transports; that address has a sink of ours."""
# The spool tries again for as long as it takes; the client's own five attempts would hold up what
# comes after. A status is no reason to try again at once: the client would read all of the answer
# before, however long it is.
_RETRY = {
    "total": 1,
    "read": 1,
    "connect": 1,
    "status": 0,
    "raise_on_status": False,
    "backoff_factor": 0.1,
}


def is_disabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user has switched OpenLineage off: `OPENLINEAGE_DISABLED=true`.

    >>> is_disabled({"OPENLINEAGE_DISABLED": "True"}), is_disabled({})
    (True, False)
    """
    return environment.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true"


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a transport may be configured; looks without loading openlineage-python.

    >>> is_configured({"OPENLINEAGE__TRANSPORT__TYPE": "console"})
    True
    """
    if any(name.startswith(_VARIABLES) for name in environment):
        return True
    named = environment.get("OPENLINEAGE_CONFIG")
    places = [Path(named)] if named else []
    places += [Path("openlineage.yml"), Path("~/.openlineage/openlineage.yml").expanduser()]
    return any(path.is_file() for path in places)


def destinations() -> list[Destination]:
    """The configured backends; none, with a warning, where the configuration cannot be followed."""
    if is_disabled() or not is_configured():
        return []
    if find_spec("openlineage.client") is None:
        logger.warning("openlineage.yml is not followed: pip install 'lamin-core[openlineage]'")
        return []
    try:
        transport = _untouched(_configured_transport)
        return [_destination(config) for config in _flat(transport)]
    except Exception as error:  # a broken file of the user's must not cost them the registry
        logger.warning("openlineage.yml is not followed: %s: %s", type(error).__name__, error)
        return []


def _configured_transport() -> dict[str, Any]:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.noop import NoopConfig, NoopTransport

    return OpenLineageClient(transport=NoopTransport(NoopConfig())).config.transport or {}


def _untouched(make: Callable[[], Any]) -> Any:
    """The result of `make`, without the variables that openlineage-python sets in the environment."""
    before = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    try:
        return make()
    finally:
        for name in [
            name for name in os.environ if name.startswith(_VARIABLES) and name not in before
        ]:
            del os.environ[name]


def _flat(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The single transports, if the configuration sends every event to all of them independently of failures."""
    kind = config.get("type")
    listed = config.get("transports")
    everywhere = config.get("continue_on_failure", True) and config.get("continue_on_success", True)
    if kind == "composite" and listed and everywhere:
        named = (
            listed.items()
            if isinstance(listed, dict)
            else [(transport.get("name"), transport) for transport in listed]
        )
        for name, transport in named:
            if transport and not (name == _ALIAS and os.environ.get("OPENLINEAGE_URL")):
                yield from _flat(transport)
    elif kind and kind != "noop":
        yield dict(config)


def _destination(config: dict[str, Any]) -> Destination:
    # A key may change from one day to the next, the backend stays the same.
    name = json.dumps(
        {key: value for key, value in config.items() if key != "auth"}, sort_keys=True, default=str
    )
    return Destination(f"transport {name}", partial(_open, config), is_forwarded=True)


def writes_to_a_registry(destination: Destination) -> bool:
    """Whether that is a registry of ours: then the instance here needs no copy of its own."""
    return "LaminTransport" in destination.name


def _open(config: dict[str, Any]) -> Sink:
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport import get_default_factory

    patient = (
        {**config, "retry": {**_RETRY, **config.get("retry", {})}}
        if config["type"] == "http"
        else dict(config)
    )
    transport = get_default_factory().create(patient)
    if config["type"] == "http":
        from openlineage.lamin.emit.bounded_session import BoundedSession

        transport.session = BoundedSession()  # type: ignore[attr-defined]
    return TransportSink(_untouched(lambda: OpenLineageClient(transport=transport)))


class TransportSink(Sink):
    """Hand events to a client of openlineage-python, one by one.

    Raises what its transport raises, or `PermanentRejection`.
    """

    batch_size = 1

    def __init__(self, client: OpenLineageClient) -> None:
        self._client = client

    def emit(self, *events: Event | bytes) -> None:
        """Send the events in order."""
        reasons: dict[int, str] = {}
        for index, event in enumerate(events):
            try:
                typed_event = client_event(json.loads(event) if isinstance(event, bytes) else event)
            except Exception as error:  # nothing that openlineage-python could ever send
                reasons[index] = f"{type(error).__name__}: {error}"
                continue
            try:
                self._client.emit(typed_event)
            except Exception as error:
                if (
                    getattr(getattr(error, "response", None), "status_code", None)
                    not in FINAL_REFUSALS
                ):
                    raise
                reasons[index] = str(error)
        if reasons:
            raise PermanentRejection(reasons)

    def close(self) -> None:
        """Let the transport deliver what it holds."""
        self._client.close()


class _Parent(dict[str, Any]):
    """A parent facet as it is, with the one attribute that the Kafka transport looks for."""

    @property
    def job(self) -> dict[str, Any]:
        """The job of the event."""
        job: dict[str, Any] = self["job"]
        return job


def client_event(data: Event) -> Any:
    """The event in openlineage-python's own classes, which is all that its client takes; facets stay as they are.

    >>> head = {"eventTime": "2026-01-01T00:00:00Z", "producer": "urn:me", "schemaURL": "urn:me"}
    >>> client_event({**head, "job": {"namespace": "n", "name": "j", "facets": {"x": {"y": 1}}}}).job.facets
    {'x': {'y': 1}}
    """
    from openlineage.client import event_v2

    head = {"eventTime": data["eventTime"], "producer": data["producer"]}
    if "dataset" in data:
        event: Any = event_v2.DatasetEvent(
            dataset=event_v2.StaticDataset(**data["dataset"]), **head
        )
    else:
        head |= {
            "job": _job(data["job"]),
            # None leaves out what is not there; the classes would make it an empty object.
            "inputs": [
                event_v2.InputDataset(**{"inputFacets": None, **dataset})
                for dataset in data.get("inputs") or ()
            ],
            "outputs": [
                event_v2.OutputDataset(**{"outputFacets": None, **dataset})
                for dataset in data.get("outputs") or ()
            ],
        }
        event = event_v2.JobEvent(**head) if "run" not in data else _run_event(data, head)
    event.schemaURL = data["schemaURL"]
    return event


def _job(job: dict[str, Any]) -> Any:
    from openlineage.client import event_v2
    from openlineage.client.facet_v2 import tags_job

    facets = dict(job.get("facets") or {})
    if "tags" in facets:
        facets["tags"] = _tags(facets["tags"], tags_job.TagsJobFacet, tags_job.TagsJobFacetFields)
    return event_v2.Job(job["namespace"], job["name"], facets)


def _run_event(data: Event, head: dict[str, Any]) -> Any:
    from openlineage.client import event_v2
    from openlineage.client.facet_v2 import environment_variables_run, tags_run

    facets = dict(data["run"].get("facets") or {})
    if "parent" in facets:
        facets["parent"] = _Parent(facets["parent"])
    if "tags" in facets:
        facets["tags"] = _tags(facets["tags"], tags_run.TagsRunFacet, tags_run.TagsRunFacetFields)
    if "environmentVariables" in facets:
        rows = facets["environmentVariables"]["environmentVariables"]
        variables = [environment_variables_run.EnvironmentVariable(**row) for row in rows]
        facets["environmentVariables"] = environment_variables_run.EnvironmentVariablesRunFacet(
            variables
        )
    kind = data.get("eventType")
    return event_v2.RunEvent(
        run=event_v2.Run(data["run"]["runId"], facets),
        eventType=event_v2.RunState(kind) if kind else None,
        **head,
    )


def _tags(facet: dict[str, Any], kind: Any, row: Any) -> Any:
    """The tags as objects, to which the client adds tags of its own."""
    return kind(
        [row(tag["key"], tag["value"], tag.get("source")) for tag in facet["tags"]],
        producer=facet["_producer"],
    )
