"""Save a storage: make its root if possible, and register it for copies."""

from __future__ import annotations

import os

from sqlalchemy import select

from lamin_core.errors import Unavailable
from lamin_core.models import Storage
from lamin_core.saving.records import SavingInstance, refresh_from
from lamin_core.storage import object_store
from lamin_core.storage.locations import checked_root, is_remote, root_type
from lamin_core.uids import random_uid


def save_storage(instance: SavingInstance, storage: Storage) -> Storage:
    """Write it, or find the one with this root. Raises `InvalidArgument`, `NotFound` or `Unavailable`."""
    root = checked_root(storage.root)
    if is_remote(root):
        object_store.ensure(root)
    else:
        try:
            os.makedirs(root, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{root!r} cannot be made: {error.strerror}", hint="choose another folder"
            ) from error
    with instance.db.writing() as session:
        row = session.scalar(select(Storage).where(Storage.root == root))
        if row is None:
            row = storage
            row.uid, row.root, row.type = random_uid(12), root, root_type(root)
            session.add(row)
        row.is_managed = True
        session.flush()
    instance.files.forget_storages()
    saved: Storage = storage if row is storage else refresh_from(storage, row)
    return saved
