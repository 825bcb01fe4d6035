"""Users."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.models.base import Registry
from lamin_core.models.relations import ToMany

if TYPE_CHECKING:
    from lamin_core.models.artifact import Artifact
    from lamin_core.models.run import Run
    from lamin_core.models.transform import Transform


class User(Registry):
    """A person, or the account a pipeline runs under."""

    __tablename__ = "user"
    _name_field = "handle"
    _search_fields = ("handle", "name")
    _editable = ("name",)
    _initial = ("handle",)
    _instead = {"handle": "the setting `user` says who is at work: ln.settings.user = ..."}

    handle: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]

    created_artifacts: ClassVar[ToMany[Artifact]] = ToMany("Artifact", own="created_by_id")
    created_runs: ClassVar[ToMany[Run]] = ToMany("Run", own="created_by_id")
    created_transforms: ClassVar[ToMany[Transform]] = ToMany("Transform", own="created_by_id")
