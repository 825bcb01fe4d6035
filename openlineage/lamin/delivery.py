"""Which sink an adapter uses when the user said nothing in code: the environment and the working directory decide.

1. `OPENLINEAGE_URL` (with `OPENLINEAGE_ENDPOINT`, `OPENLINEAGE_API_KEY`): an HTTP endpoint, ours or any other.
2. An instance at or above the working directory, or named by `LAMIN_INSTANCE`: straight into its registry.
3. Neither: a spool file, and one warning that says where it is.

Whatever the choice, a failure costs one warning and goes to the spool; `LAMIN_STRICT=1` lets it raise instead.
"""

from __future__ import annotations

import importlib
import os

from lamin_core.errors import InstanceNotFound
from lamin_core.location import find_instance, spool_folder
from openlineage.lamin.sinks import Background, Forgiving, HttpSink, Sink

DEFAULT_ENDPOINT = "api/v1/lineage"


def default_sink() -> Sink:
    """The sink that the environment names, safe for a user's job: it never raises and never blocks the caller.

    >>> from openlineage.lamin.sinks import Background
    >>> isinstance(default_sink(), Background)
    True
    """
    if os.environ.get("LAMIN_STRICT") == "1":
        return direct_sink()
    return Background(Forgiving(direct_sink, spool_folder()))


def direct_sink() -> Sink:
    """The sink that the environment names, bare: it raises what goes wrong, and `InstanceNotFound` if none is named."""
    url = os.environ.get("OPENLINEAGE_URL")
    if url:
        endpoint = os.environ.get("OPENLINEAGE_ENDPOINT", DEFAULT_ENDPOINT)
        return HttpSink(f"{url.rstrip('/')}/{endpoint.lstrip('/')}", os.environ.get("OPENLINEAGE_API_KEY"))
    instance = find_instance()
    if instance is None:
        raise InstanceNotFound("no instance here or above", hint="lamin init --storage ./data")
    # By name, so that a process which only emits over HTTP never loads the database half.
    sink: Sink = importlib.import_module("openlineage.lamin.registry").RegistrySink(instance)
    return sink
