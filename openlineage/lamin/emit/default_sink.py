"""Where an adapter's events go when the user said nothing in code: the environment and the working directory decide.

1. `OPENLINEAGE_URL` (with `OPENLINEAGE_ENDPOINT`, `OPENLINEAGE_API_KEY`): an HTTP endpoint, ours or any other.
   Without it, the instance at or above the working directory, or the one that `LAMIN_INSTANCE` names.
2. As well: the transports of `openlineage.yml` and `OPENLINEAGE__TRANSPORT__...`, see `client_transports`.
3. Nobody at all, or an instance that was found and that this user has not allowed: the spool, and one warning that
   says where it is.

Whatever the choice, events are in the spool first, and a failure costs one warning; `LAMIN_STRICT=1` leaves out the
spool and lets failures raise.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lamin_core.errors import InstanceNotFound, LaminError, Unavailable, UntrustedInstance
from lamin_core.runtime.paths import Located, locate_instance, spool_folder
from lamin_core.runtime.settings import settings
from openlineage.lamin.emit.background_sink import PATIENCE, BackgroundSink
from openlineage.lamin.emit.client_transports import destinations as forwarded
from openlineage.lamin.emit.client_transports import is_disabled, writes_to_a_registry
from openlineage.lamin.emit.events import Event
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import Destination, Sink
from openlineage.lamin.emit.spool import LIMIT_BYTES, Spool, key_of

logger = logging.getLogger("lamin")
DEFAULT_ENDPOINT = "api/v1/lineage"
_MEGABYTE = 1 << 20
# In the background a slow answer holds nobody up; given up too early, a large batch would be sent again and again.
_BACKGROUND_TIMEOUT = 10.0


class MultiSink:
    """Hands each event to several sinks; what one of them fails to do is no matter of the others'."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def emit(self, *events: Event | bytes) -> None:
        """To each of them; raises what the first that fails raises, after the last one."""
        self._each("emit", *events)

    def flush(self) -> bool:
        """Whether all of them have delivered everything."""
        self._hurry()
        delivered = [not hasattr(sink, "flush") or sink.flush() for sink in self._sinks]
        return all(delivered)

    def close(self) -> None:
        """All of them, at once as far as they can."""
        self._hurry()
        self._each("close")

    def _hurry(self) -> None:
        for sink in self._sinks:
            getattr(sink, "hurry", bool)()

    def _each(self, method: str, *events: Event | bytes) -> None:
        problems: list[Exception] = []
        for sink in self._sinks:
            try:
                getattr(sink, method)(*events)
            except Exception as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    @property
    def dropped(self) -> int:
        """Events that were lost on the way to at least one of them."""
        return max(getattr(sink, "dropped", 0) for sink in self._sinks)


def default_sink() -> Sink:
    """The sink that the environment names, safe for a user's job: it never raises and never blocks the caller.

    >>> from openlineage.lamin.emit.background_sink import BackgroundSink
    >>> isinstance(default_sink(), BackgroundSink)
    True
    """
    if os.environ.get("LAMIN_STRICT") == "1":
        return direct_sink()
    folder = spool_folder()
    limit = int(_spool_limit() * _MEGABYTE)
    patience = _number("LAMIN_PATIENCE", PATIENCE)
    couriers = [BackgroundSink(to.open, Spool(folder, key_of(to), limit), patience) for to in destinations()]
    return couriers[0] if len(couriers) == 1 else MultiSink(couriers)


def direct_sink() -> Sink:
    """The sink that the environment names, bare: it raises what goes wrong, and `InstanceNotFound` if none is named."""
    sinks = [to.open() for to in destinations()]
    return sinks[0] if len(sinks) == 1 else MultiSink(sinks)


def destinations() -> list[Destination]:
    """Where events go, at least one."""
    url = os.environ.get("OPENLINEAGE_URL", "").strip()
    others = forwarded()
    own = None
    if url and not is_disabled():
        own = _endpoint(url)
    elif not any(map(writes_to_a_registry, others)):
        own = _found_registry()
    if own is not None:
        return [own, *others]
    return others or [Destination("nowhere", _nowhere)]


def _found_registry() -> Destination | None:
    """The instance that is at work here, if any; one that may not be used refuses, and its events wait in the spool."""
    try:
        located = locate_instance()
    except UntrustedInstance as error:
        return Destination(_registry_name(error.folder), partial(_refuse, error))
    except LaminError as error:
        return Destination("nowhere", partial(_refuse, error))
    return None if located is None else _registry(located)


def registry_key(folder: Path) -> str:
    """The key in the names of those segments of a spool that wait for the instance in this folder."""
    return key_of(Destination(_registry_name(folder), _nowhere))


def _registry_name(folder: Path) -> str:
    return f"instance {folder}"


def _refuse(error: LaminError) -> Sink:
    """Raise it, in one line with what to type: that is all a job's log gets to see."""
    raise Unavailable(error.message if error.hint is None else f"{error.message}; {error.hint}") from error


def _endpoint(url: str) -> Destination:
    address = f"{url.rstrip('/')}/{os.environ.get('OPENLINEAGE_ENDPOINT', DEFAULT_ENDPOINT).lstrip('/')}"
    api_key = os.environ.get("OPENLINEAGE_API_KEY")
    strict = os.environ.get("LAMIN_STRICT") == "1"
    return Destination(address, lambda: HttpSink(address, api_key, *(() if strict else (_BACKGROUND_TIMEOUT,))))


def _registry(located: Located) -> Destination:
    def open_registry() -> Sink:
        # By name, so that a process which only emits over HTTP never loads the database half.
        sink: Sink = importlib.import_module("openlineage.lamin.receive.registry_sink").RegistrySink(located)
        return sink

    return Destination(_registry_name(located.folder), open_registry)


def _nowhere() -> Sink:
    raise InstanceNotFound("no instance here or above", hint="lamin init --storage ./data")


def _spool_limit() -> float:
    """Megabytes, by the setting `spool_limit`; one that is wrong costs no job its events."""
    try:
        return float(settings.spool_limit)
    except LaminError as error:
        logger.warning("LAMIN_SPOOL_LIMIT=%s; %s is used", error.message, LIMIT_BYTES / _MEGABYTE)
        return LIMIT_BYTES / _MEGABYTE


def _number(name: str, default: float) -> float:
    try:
        return max(0.0, float(os.environ.get(name) or default))
    except ValueError:
        logger.warning("%s=%r is no number; %s is used", name, os.environ[name], default)
        return default
