"""`LaminTransport`: any producer that uses openlineage-python writes straight into a registry.

In `openlineage.yml`, or as `OPENLINEAGE__TRANSPORT__TYPE` in the environment:

    transport:
      type: openlineage.lamin.transport.LaminTransport
      instance: /projects/airway    # or the URL of its database; else LAMIN_INSTANCE, else the nearest .lamin/ above
"""

from __future__ import annotations

from typing import Any

from lamin_core.errors import InstanceNotFound, MissingExtra
from lamin_core.runtime.paths import locate_instance
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.registry_sink import RegistrySink

try:
    from openlineage.client.serde import Serde
    from openlineage.client.transport import Config, Transport
except ImportError as error:
    raise MissingExtra("openlineage-python", "openlineage") from error


class LaminConfig(Config):
    """The registry: `instance` is the folder that contains `.lamin/`, or the URL of its database."""

    def __init__(self, instance: str | None = None) -> None:
        self.instance = instance

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> LaminConfig:
        """Create it from the section of the configuration; the client handles unknown fields."""
        return cls(params.get("instance"))


class LaminTransport(Transport):
    """Takes the client's events into a registry; raises what goes wrong, as the client expects of a transport."""

    kind = "lamin"
    config_class = LaminConfig

    def __init__(self, config: LaminConfig) -> None:
        where = config.instance or locate_instance()
        if where is None:
            raise InstanceNotFound(
                "no instance here or above", hint="set `instance` of the transport to its folder"
            )
        self._sink = RegistrySink(where)

    def emit(self, event: Any) -> None:
        """Accept one event of the client, of any kind."""
        ingest(self._sink.database, [parse(Serde.to_json(event))])

    def close(self, timeout: float = -1) -> bool:
        """Close the connections; nothing is held back."""
        self._sink.close()
        return True
