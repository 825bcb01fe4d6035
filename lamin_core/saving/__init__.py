"""Save records: dispatch by type; each kind is written in one short transaction that reuses existing rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from lamin_core.db.presence import check_present, not_found
from lamin_core.errors import Conflict, InvalidArgument
from lamin_core.models import Artifact, Base, Collection, Registry, Run, Schema, Storage, Transform
from lamin_core.models.arguments import Arguments, arguments_of
from lamin_core.models.base import check_new
from lamin_core.models.checks import listed_argument, shown
from lamin_core.models.record_kinds import Trashable
from lamin_core.query.bulk_write import remove_rows
from lamin_core.saving.artifacts import save_artifact, save_artifacts
from lamin_core.saving.deletion import erase, replace, restore, settle_latest, trash
from lamin_core.saving.named_records import save_all_named, save_named
from lamin_core.saving.protection import check_unused
from lamin_core.saving.records import SavingInstance
from lamin_core.saving.runs import save_run
from lamin_core.saving.schemas import save_collection, save_schema
from lamin_core.saving.storages import save_storage
from lamin_core.saving.transforms import save_transform
from lamin_core.saving.updates import update

R = TypeVar("R")


def save(instance: SavingInstance, record: R) -> R:
    """Write the record, or find the one that it is. Raises `Conflict`, `InvalidArgument` or `Unavailable`."""
    if _is_saved(record):
        updated: R = update(instance, record)
        return updated
    _check_new(record)
    saver: Any = _SAVERS.get(type(record), save_named)
    saved: R = saver(instance, record)
    return saved


def _is_saved(record: object) -> bool:
    if not isinstance(record, Registry):
        hint = "pass records, such as ln.ULabel(name='a')"
        raise InvalidArgument(f"not a record: {shown(record)}", hint=hint)
    return bool(inspect(record).has_identity)


def _check_new(record: Any) -> None:
    """Raise `InvalidArgument` where the record holds what its constructor would refuse."""
    check_new(record)
    if type(record) in _SAVERS and not isinstance(record, Artifact):
        # The saver sets derived fields before it writes, and writing may fail and be tried again.
        arguments_of(record, Arguments).is_tried = True


def save_all(instance: SavingInstance, records: Iterable[object]) -> None:
    """Save many records: those that are known by a name in a few statements, the others one by one, in their order."""
    named: list[Any] = []
    records = listed_argument(records, "records", "ln.save([record, ...])")
    artifacts = {
        id(item): item for item in records if isinstance(item, Artifact) and not _is_saved(item)
    }
    for artifact in artifacts.values():
        _check_new(artifact)
    save_artifacts(instance, artifacts.values())
    for record in (item for item in records if id(item) not in artifacts):
        if type(record) in _SAVERS or _is_saved(record):
            save(instance, record)
        else:
            _check_new(record)
            named.append(record)
    if named:
        save_all_named(instance, named)


def delete(instance: SavingInstance, record: Base) -> None:
    """Remove the record and what ties it to others. Raises `NotFound`, and `Conflict` while others need it."""
    kind: Any = type(record)
    try:
        with instance.db.writing() as session:
            if isinstance(record, Registry):
                check_present(session, [record])
            if isinstance(record, Trashable):
                check_unused(session, record)
            if not remove_rows(session, kind, kind.id == record.id):  # type: ignore[attr-defined]
                raise not_found(record)
            if isinstance(record, Artifact):
                settle_latest(session, record.series_id)
    except IntegrityError as error:
        raise Conflict(
            f"{record!r} is needed by other records", hint="remove those first"
        ) from error


_SAVERS: dict[type[Any], Callable[[SavingInstance, Any], Any]] = {
    Artifact: save_artifact,
    Transform: save_transform,
    Run: save_run,
    Schema: save_schema,
    Collection: save_collection,
    Storage: save_storage,
}

__all__ = ["delete", "erase", "replace", "restore", "save", "save_all", "trash"]
