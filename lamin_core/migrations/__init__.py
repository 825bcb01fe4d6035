"""The history of the schema: Alembic migrations, shipped with the package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lamin_core.errors import NO_INSTANCE, InstanceNotFound
from lamin_core.instance.instance import Instance
from lamin_core.models.module_tables import revisions
from lamin_core.modules.deployment import apply as apply
from lamin_core.modules.deployment import configuration as configuration
from lamin_core.modules.deployment import deploy
from lamin_core.runtime.paths import SETTINGS, locate_instance
from lamin_core.runtime.settings import read_toml


def upgrade(start: Path, modules: Iterable[str] = ()) -> dict[str, str]:
    """Bring the database of the instance in or above this folder to the newest schema, whole or not at all.

    Those of its registry modules too, and these, which become modules of it. Returns the revisions
    of all modules.
    """
    located = locate_instance(start)
    if located is None:
        raise InstanceNotFound(f"no instance in {str(start)!r} or above", hint=NO_INSTANCE)
    instance = Instance.located(located, check=False)
    try:
        instance.db.require_file()
        with instance.db.writing() as session:
            instance.db.check_known(revisions(session.connection()).get(""))
            # Before it was in the database, the name of an instance was in its folder.
            apply(session.connection(), uid=read_toml(located.folder / SETTINGS).get("uid"))
            deploy(session.connection(), modules)
        instance.db.check()
        return instance.db.modules
    finally:
        instance.db.dispose()
