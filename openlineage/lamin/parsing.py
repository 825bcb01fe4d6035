"""From bytes to an event we can place: what kind it is, which run it is of, when it happened. Lenient, never lossy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from blake3 import blake3

from lamin_core.errors import MalformedEvent
from openlineage.lamin.events import Event
from openlineage.lamin.sinks import serialize

Kind = Literal["run", "job", "dataset", "quarantined"]
_RANKS = {"START": 0, "COMPLETE": 2, "ABORT": 2, "FAIL": 2}
MAX_ID = 128


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
    return parsed(*_load(body))


def parsed(value: Any, text: str) -> ParsedEvent:
    """The event that this JSON value, read from this text, is; raises `MalformedEvent` as `parse` does."""
    try:
        return _parsed(_object(value), text.strip())
    except RecursionError as error:
        raise MalformedEvent("nested too deeply", hint="send one OpenLineage event as a JSON object") from error


def _object(value: Any) -> Event:
    if not isinstance(value, dict):
        raise MalformedEvent(
            f"not an event but a JSON {type(value).__name__}", hint="send one OpenLineage event as a JSON object"
        )
    return value


def _parsed(value: Event, text: str) -> ParsedEvent:
    data: Event = value if text.isascii() and "\\u" not in text else _storable(value)
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    known: dict[str, Any] = {"hash": blake3(canonical.encode()).hexdigest(), "body": text, "data": data}
    try:
        return _place(data, known)
    except _Misplaced as problem:
        return ParsedEvent("quarantined", reason=str(problem), **known)


class _Misplaced(ValueError):
    """Why an event cannot be placed."""


def _load(body: bytes | str | Event) -> tuple[Any, str]:
    if isinstance(body, dict):
        body = serialize(body)
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        return json.loads(text), text
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}", hint="send one OpenLineage event as a JSON object") from error


def _storable(value: Any) -> Any:
    """The value with lone surrogates (of file names that are no UTF-8, say) as escapes: no database takes them."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


def _place(data: Event, known: dict[str, Any]) -> ParsedEvent:
    at = _time(data.get("eventTime"))
    if "run" in data and "job" in data:
        return ParsedEvent("run", run_id=_run_id(data), event_type=_type(data), event_time=at, **known)
    if "job" in data:
        _job(data)
        return ParsedEvent("job", event_time=at, **known)
    if "dataset" in data:
        return ParsedEvent("dataset", event_time=at, **known)
    raise _Misplaced("neither run and job, nor job, nor dataset")


def _run_id(data: Event) -> str:
    _job(data)
    run = data["run"]
    run_id = run.get("runId") if isinstance(run, dict) else None
    if not isinstance(run_id, str) or not run_id or len(run_id) > MAX_ID:
        raise _Misplaced(f"run.runId is no text of 1 to {MAX_ID} characters")
    return run_id


def _job(data: Event) -> None:
    job = data["job"]
    if not isinstance(job, dict) or not all(isinstance(job.get(k), str) and job[k] for k in ("namespace", "name")):
        raise _Misplaced("job.namespace or job.name is missing")


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
