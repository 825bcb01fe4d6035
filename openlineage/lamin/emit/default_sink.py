"""The destination of an adapter's events, if the code sets none: from the environment and the working directory.

1. `OPENLINEAGE_URL` (with `OPENLINEAGE_ENDPOINT`, `OPENLINEAGE_API_KEY`): an HTTP endpoint, ours or any other.
   Without it, the instance at or above the working directory, or the one that `LAMIN_INSTANCE`
   names.
2. As well: the transports of `openlineage.yml` and `OPENLINEAGE__TRANSPORT__...`, see `client_transports`.
3. Nobody at all, or an instance that was found and that this user has not allowed: the spool, and one warning that
   says where it is.

Whatever the choice, events are in the spool first, and a failure costs one warning;
`LAMIN_STRICT=1` leaves out the spool and lets failures raise.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

from lamin_core.errors import (
    NO_INSTANCE,
    InstanceNotFound,
    LaminError,
    Unavailable,
    UntrustedInstance,
)
from lamin_core.runtime.paths import Located, locate_instance, spool_folder
from lamin_core.runtime.settings import settings
from openlineage.lamin.emit.background_sink import PATIENCE, BackgroundSink
from openlineage.lamin.emit.client_transports import destinations as forwarded
from openlineage.lamin.emit.client_transports import is_disabled, writes_to_a_registry
from openlineage.lamin.emit.http_sink import HttpSink
from openlineage.lamin.emit.sinks import Destination, MultiSink, Sink
from openlineage.lamin.emit.spool import LIMIT_BYTES, Spool, key_of

logger = logging.getLogger("lamin")
DEFAULT_ENDPOINT = "api/v1/lineage"
_DISTRIBUTION = "lamin-core"
_SINKS = "openlineage.lamin.sinks"
"""The group of entry points where a half of the package that can do more registers its sinks."""
_MEGABYTE = 1 << 20
# In the background a slow answer holds nobody up; given up too early, a large batch would be sent
# again and again.
_BACKGROUND_TIMEOUT = 10.0


def default_sink() -> Sink:
    """The sink that the environment names, safe for a user's job: it never raises and never blocks the caller.

    >>> isinstance(default_sink(), BackgroundSink)
    True
    """
    if os.environ.get("LAMIN_STRICT") == "1":
        return direct_sink()
    folder = spool_folder()
    limit = int(_spool_limit() * _MEGABYTE)
    sinks: list[Sink] = []
    for destination in destinations():
        spool = Spool(folder, key_of(destination), limit, destination.origin)
        sinks.append(BackgroundSink(destination.open, spool, patience()))
    return _together(sinks)


def patience() -> float:
    """Seconds that a process waits for the delivery of events: `LAMIN_PATIENCE`, 2 by default."""
    return _number("LAMIN_PATIENCE", PATIENCE)


def direct_sink() -> Sink:
    """The sink that the environment names, bare: it raises what goes wrong, and `InstanceNotFound` if none is named."""
    return _together([destination.open() for destination in destinations()])


def _together(sinks: list[Sink]) -> Sink:
    return sinks[0] if len(sinks) == 1 else MultiSink(sinks)


def destinations() -> list[Destination]:
    """The destinations of events, at least one."""
    url = os.environ.get("OPENLINEAGE_URL", "").strip()
    others = forwarded()
    own = None
    if url and not is_disabled():
        own = _endpoint(url)
    elif not any(map(writes_to_a_registry, others)):
        own = _found_registry()
    if own is not None:
        return [own, *others]
    return others or [Destination("nowhere", _nowhere, origin=_here())]


def _here() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # removed meanwhile
        return None


def _found_registry() -> Destination | None:
    """The instance that is at work here, if any; one that may not be used refuses, and its events wait in the spool."""
    try:
        located = locate_instance()
    except UntrustedInstance as error:
        folder = error.folder or Path(".lamin")
        return Destination(_registry_name(folder), partial(_refuse, error))
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
    raise Unavailable(
        error.message if error.hint is None else f"{error.message}; {error.hint}"
    ) from error


def _endpoint(url: str) -> Destination:
    address = (
        f"{url.rstrip('/')}/{os.environ.get('OPENLINEAGE_ENDPOINT', DEFAULT_ENDPOINT).lstrip('/')}"
    )
    api_key = os.environ.get("OPENLINEAGE_API_KEY")
    strict = os.environ.get("LAMIN_STRICT") == "1"
    return Destination(
        address, lambda: HttpSink(address, api_key, *(() if strict else (_BACKGROUND_TIMEOUT,)))
    )


def _registry(located: Located) -> Destination:
    return Destination(_registry_name(located.folder), partial(_open_registry, located))


def _open_registry(located: Located) -> Sink:
    """Open the sink that the receiving half registers as an entry point.

    This half does not name that one, and a process that only emits over HTTP never loads its
    database.
    """
    from importlib.metadata import distribution

    entry_points = distribution(_DISTRIBUTION).entry_points
    for entry_point in entry_points.select(group=_SINKS, name="registry"):
        sink: Sink = entry_point.load()(located)
        return sink
    raise Unavailable(
        f"{_DISTRIBUTION} registers no entry point 'registry' in {_SINKS!r}",
        hint=f"install it again: pip install --force-reinstall {_DISTRIBUTION}",
    )


def _nowhere() -> Sink:
    raise InstanceNotFound("no instance here or above", hint=NO_INSTANCE)


def _spool_limit() -> float:
    """Megabytes, by the setting `spool_limit`; one that is wrong costs no job its events."""
    try:
        return float(settings.spool_limit)
    except LaminError as error:
        logger.warning("LAMIN_SPOOL_LIMIT: %s; %s is used", error.message, LIMIT_BYTES / _MEGABYTE)
        return LIMIT_BYTES / _MEGABYTE


def _number(name: str, default: float) -> float:
    try:
        return max(0.0, float(os.environ.get(name) or default))
    except ValueError:
        logger.warning("%s: not a number: %r; %s is used", name, os.environ[name], default)
        return default
