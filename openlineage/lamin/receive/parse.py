"""From bytes to an event we can place: what kind it is, which run it is of, when it happened. Lenient, never lossy."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from lamin_core.errors import MalformedEvent
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.redaction import redact_event
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.receive.facet_reader import run_key
from openlineage.lamin.receive.json_scanner import scan
from openlineage.lamin.receive.large_events import LARGE, canonical_hash, without_large

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
    """Its hash before secrets in it were masked, where that was done."""

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Event time, START before the rest before terminals, then the hash: an order that arrival has no part in."""
        return self.event_time or datetime.min.replace(tzinfo=UTC), _RANKS.get(self.event_type or "", 1), self.hash


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
    raw = serialize(body) if isinstance(body, dict) else body
    try:
        text = (raw.decode("utf-8") if isinstance(raw, bytes) else raw).strip()
        digest, value = _light(text) if _is_large(text) else (None, _decoded(text))
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}", hint=_HINT) from error
    return parsed(value, text) if digest is None or not isinstance(value, dict) else _placed(value, text, digest)


def _decoded(text: str) -> Any:
    return json.loads(text, parse_constant=str)  # NaN is no JSON, yet Python's producers write it


def _is_large(text: str) -> bool:
    return len(text) > LARGE and _UNSTORABLE.search(text) is None


def _light(text: str) -> tuple[str, Any]:
    """The hash of this large JSON, and its value without what is left out of large events."""
    digest, reduced = scan(text, LARGE)
    return digest, _decoded(reduced)


_HINT = "send one OpenLineage event as a JSON object"
_UNSTORABLE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
"""Escapes of surrogates (lone ones come from file names that are no UTF-8, say) and of NUL."""


def parsed(value: Any, text: str) -> ParsedEvent:
    """The event that this JSON value, read from this text, is; raises `MalformedEvent` as `parse` does."""
    if not isinstance(value, dict):
        raise MalformedEvent(f"not an event but a JSON {type(value).__name__}", hint=_HINT)
    try:
        return _parsed(_storable(value) if _UNSTORABLE.search(text) else value, text)
    except RecursionError as error:
        raise MalformedEvent("nested too deeply", hint=_HINT) from error


def _parsed(data: Event, text: str) -> ParsedEvent:
    digest = canonical_hash(data, len(text))
    return _placed(without_large(data, digest) if len(text) > LARGE else data, text, digest)


def _placed(data: Event, text: str, digest: str) -> ParsedEvent:
    attributes: dict[str, Any] = {"hash": digest, "body": text, "data": data}
    try:
        return _classified(data, attributes)
    except _Misplaced as problem:
        return ParsedEvent("quarantined", reason=str(problem), **attributes)


def stored(row: Any) -> ParsedEvent:
    """The event in this row of the raw log (of `STORED`), which was parsed before it was written."""
    if _is_large(row.body):
        event_data = _light(row.body)[1]
    else:
        data = _decoded(row.body)
        event_data = _storable(data) if _UNSTORABLE.search(row.body) else data
        event_data = without_large(event_data, row.hash) if len(row.body) > LARGE else event_data
    return ParsedEvent(row.kind, row.hash, row.body, event_data, row.run_id, row.event_type, row.event_time, id=row.id)


def redacted(event: ParsedEvent) -> ParsedEvent:
    """The event with its secrets masked in its body too; itself where it shows none.

    Its hash is that of what is stored, so that an export of it is known as the same event.
    """
    data = _decoded(event.body)
    masked = redact_event(data)
    return event if masked == data else parse(serialize(masked))


class _Misplaced(ValueError):
    """Why an event cannot be placed."""


def _storable(value: Any) -> Any:
    """The value with lone surrogates and NULs as visible escapes: no database takes them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


def _classified(data: Event, attributes: dict[str, Any]) -> ParsedEvent:
    at = _time(data.get("eventTime"))
    if "run" in data and "job" in data:
        return ParsedEvent("run", run_id=_run_id(data), event_type=_type(data), event_time=at, **attributes)
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
        raise _Misplaced(f"eventType {kind!r} is none of OpenLineage's")
    return str(kind)


def _time(value: Any) -> datetime:
    """ISO 8601; without a zone it is taken as UTC."""
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _Misplaced(f"eventTime {value!r} is no ISO 8601 time") from error
