"""Parse bytes to an event: its kind, its run and its time. Lenient, and never lossy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lamin_core.errors import MalformedEvent
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.redaction import redact_event
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.receive.facet_reader import run_key
from openlineage.lamin.receive.json_reader import (
    Document,
    decode,
    document,
    read,
    read_again,
    text_of,
)

Kind = Literal["run", "job", "dataset", "quarantined"]
_RANKS = {"START": 0, "COMPLETE": 2, "ABORT": 2, "FAIL": 2}
MAX_ID = 128
MAX_NAME = 2_000
"""Bytes of a name: a longer one does not fit the index of every database."""


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """An event with what is needed to store and order it; `reason` says why it is quarantined."""

    kind: Kind
    hash: str
    body: str
    data: Event
    run_id: str | None = None
    event_type: str | None = None
    event_time: datetime | None = None
    reason: str | None = None
    id: int = 0
    """The number of its row in the raw log; 0 until it has one."""
    arrived_as: str | None = None
    """The hash of the event before its secrets were masked, if they were."""
    is_decoded: bool = False
    """Whether `data` is just what the body says, with nothing replaced or left out."""
    shows_no_secret: bool = False
    """Whether it is known that nothing in `data` has to be masked."""

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Event time, START before the rest before terminals, then the hash: an order that arrival has no part in."""
        return (
            self.event_time or datetime.min.replace(tzinfo=UTC),
            _RANKS.get(self.event_type or "", 1),
            self.hash,
        )


def parse(body: bytes | str | Event) -> ParsedEvent:
    """The event in this body. Raises `MalformedEvent` for what is no JSON object; what is one but cannot be placed
    comes back with kind `quarantined` and the reason.

    >>> job = {"namespace": "n", "name": "j"}
    >>> event = parse({"eventTime": "2026-01-01T00:00:00Z", "run": {"runId": "r"}, "job": job})
    >>> event.kind, event.run_id, event.event_time.year
    ('run', 'r', 2026)
    >>> parse('{"run": {}}').reason
    'eventTime None is no ISO 8601 time'
    """
    try:
        text = text_of(serialize(body) if isinstance(body, dict) else body)
        result = read(text)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}", hint=_HINT) from error
    return _classify(result, text)


def parse_item(value: Any, text: str) -> ParsedEvent:
    """Parse an item of an array from `json_reader.items`: the same event as `parse` makes of this text."""
    try:
        result = document(value, text)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}", hint=_HINT) from error
    return _classify(result, text)


_HINT = "send one OpenLineage event as a JSON object"


def _classify(result: Document, text: str) -> ParsedEvent:
    data = result.value
    if not isinstance(data, dict):
        raise MalformedEvent(f"not an event but a JSON {type(data).__name__}", hint=_HINT)
    attributes: dict[str, Any] = {
        "hash": result.digest,
        "body": text,
        "data": data,
        "is_decoded": result.is_decoded,
    }
    try:
        return _classified(data, attributes)
    except _Misplaced as problem:
        return ParsedEvent("quarantined", reason=str(problem), **attributes)


def stored(row: Any) -> ParsedEvent:
    """The event in this row of the raw log (of `STORED`), which was parsed before it was written."""
    data = read_again(row.body)
    return ParsedEvent(
        row.kind, row.hash, row.body, data, row.run_id, row.event_type, row.event_time, id=row.id
    )


def redacted(event: ParsedEvent) -> ParsedEvent:
    """The event with its secrets masked in its body too; itself where it shows none.

    Its hash is that of what is stored, so that an export of it is known as the same event.
    """
    data = event.data if event.is_decoded else decode(event.body)
    masked = redact_event(data)
    if masked != data:
        return parse(serialize(masked))
    return replace(event, shows_no_secret=event.is_decoded)


def without_secrets(event: ParsedEvent) -> Event:
    """What the event says, with its secrets masked."""
    return event.data if event.shows_no_secret else redact_event(event.data)


class _Misplaced(ValueError):
    """Why an event cannot be placed."""


def _classified(data: Event, attributes: dict[str, Any]) -> ParsedEvent:
    at = _time(data.get("eventTime"))
    if "run" in data and "job" in data:
        return ParsedEvent(
            "run", run_id=_run_id(data), event_type=_type(data), event_time=at, **attributes
        )
    if "job" in data:
        _named(data["job"], "job")
        return ParsedEvent("job", event_time=at, **attributes)
    if "dataset" in data:
        _named(data["dataset"], "dataset")
        return ParsedEvent("dataset", event_time=at, **attributes)
    raise _Misplaced("neither run and job, nor job, nor dataset")


def _run_id(data: Event) -> str:
    _named(data["job"], "job")
    run = data["run"]
    run_id = run.get("runId") if isinstance(run, dict) else None
    if not isinstance(run_id, str) or not run_id or len(run_id) > MAX_ID:
        raise _Misplaced(f"run.runId is no text of 1 to {MAX_ID} characters")
    return run_key(run_id)


def _named(entity: Any, what: str) -> None:
    if not isinstance(entity, dict):
        raise _Misplaced(f"{what} is no object")
    for field in ("namespace", "name"):
        if not isinstance(entity.get(field), str) or not entity[field]:
            raise _Misplaced(f"{what}.{field} is missing")
        if len(entity[field].encode("utf-8", "replace")) > MAX_NAME:
            raise _Misplaced(f"{what}.{field} has more than {MAX_NAME} bytes")


def _type(data: Event) -> str | None:
    kind = data.get("eventType")
    if kind is None:
        return None
    if kind not in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"):
        raise _Misplaced(f"not an eventType of OpenLineage: {kind!r}")
    return str(kind)


_NAMED_ZONE = re.compile(r"\[([A-Za-z0-9_+\-/]+)\]$")
"""The name of a zone that Java's `ZonedDateTime` writes after a time."""


def _time(value: Any) -> datetime:
    """ISO 8601, also with the name of a zone after it, as Java writes it; without a zone it is taken as UTC.

    >>> _time("2024-06-01T00:00:00+02:00[Europe/Paris]") == _time("2024-06-01T00:00:00[Europe/Paris]")
    True
    """
    try:
        named = _NAMED_ZONE.search(value)
        at = datetime.fromisoformat(value if named is None else value[: named.start()])
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC if named is None else ZoneInfo(named[1]))
        return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, ZoneInfoNotFoundError) as error:
        raise _Misplaced(f"eventTime {value!r} is no ISO 8601 time") from error
