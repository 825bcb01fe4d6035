"""Setting up: make an instance, connect to one, save many records at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from lamin_core import context
from lamin_core.instance import Instance, connect, disconnect, init
from lamin_core.saving import save_all

__all__ = ["connect", "disconnect", "init", "save"]


def save(records: Iterable[Any]) -> None:
    """Save many records; labels, features and users among them in one transaction."""
    save_all(cast(Instance, context.connection()), records)
