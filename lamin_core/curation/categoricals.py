"""The categorical columns of a dataset: `curator.cat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamin_core.curation.columns import Column, distinct
from lamin_core.curation.plan import plan_for
from lamin_core.curation.vocabulary import Matches, match_values, synonyms_of
from lamin_core.errors import InvalidArgument
from lamin_core.models.dtypes import registry_called
from lamin_core.saving import save_all

if TYPE_CHECKING:
    from lamin_core.curation.columns import Series
    from lamin_core.curation.curators import Curator


class Categoricals:
    """The categorical columns of a dataset, and methods to correct values without a record."""

    def __init__(self, curator: Curator, slot: str | None = None) -> None:
        """Those of a dataset, or of one slot of it."""
        self._curator = curator
        self._slot = slot

    @property
    def non_validated(self) -> dict[str, list[str]]:
        """The values without a record, by column; columns without such values are left out."""
        return {
            column.name: list(matches.missing)
            for _, column, matches in self._matches()
            if matches.missing
        }

    def validate(self) -> bool:
        """Return whether all values name records."""
        return all(matches.is_valid for _, _, matches in self._matches())

    def add_new_from(self, key: str, **fields: Any) -> None:
        """Create a label for every value without a record.

        Args:
            key: The column, or `"all"` for all columns.
            fields: Fields to set on each new label.

        Raises:
            InvalidArgument: The column is not categorical.
        """
        for _, _, matches in self._chosen(key):
            registry: Any = registry_called(matches.option.registry)
            if matches.option.type is not None and "type" not in fields:
                group = registry.filter(name=matches.option.type, is_type=True).one()
                fields = fields | {"type": group}
            name = matches.option.field or registry._name_field
            records = [registry(**{name: value}, **fields) for value in matches.missing]
            save_all(self._curator._instance, records)

    def standardize(self, key: str = "all") -> None:
        """Replace synonyms, and names in another upper or lower case, with the names of records.

        `key` is the column, or `"all"`. The original dataset does not change: `curator.dataset` is the
        changed copy.
        """
        for slot, column, matches in self._chosen(key):
            with self._curator._instance.db.reading() as session:
                names = synonyms_of(session, column.dtype, matches.missing)
            if names and not column.dtype.is_list:
                table, _ = self._curator._tables()[slot]
                table = table.copy(deep=False)
                table[column.name] = _renamed(table[column.name], names)
                self._curator._adopt(slot, table)
                self._curator._findings = None

    def lookup(self) -> dict[str, Any]:
        """Return, by column, an object with one attribute for each valid value, for completion at the prompt."""
        lookups: dict[str, Any] = {}
        for _, column, matches in self._matches():
            registry: Any = registry_called(matches.option.registry)
            group = matches.option.type
            records = registry.all() if group is None else registry.filter(type__name=group)
            lookups[column.name] = records.lookup()
        return lookups

    def _chosen(self, key: str) -> list[tuple[str, Column, Matches]]:
        matches = self._matches()
        if key == "all":
            return matches
        names = [column.name for _, column, _ in matches]
        if key not in names:
            raise InvalidArgument(
                f"not a categorical column: {key!r}",
                hint=f"there are: {', '.join(names) or 'none'}",
            )
        return [match for match in matches if match[1].name == key]

    def _matches(self) -> list[tuple[str, Column, Matches]]:
        matched = []
        with self._curator._instance.db.reading() as session:
            for slot, (table, schema) in self._curator._tables().items():
                if self._slot not in (None, slot):
                    continue
                plan = plan_for(session, schema, [str(name) for name in table.columns])
                for column in plan.categoricals:
                    if column.name in table.columns:
                        values = distinct(table[column.name], column.dtype)
                        matches = match_values(session, column.feature, column.dtype, values)
                        matched.append((slot, column, matches))
        return matched

    def __repr__(self) -> str:
        return f"<categoricals, not validated: {self.non_validated}>"


def _renamed(series: Series, names: dict[str, str]) -> Series:
    if series.dtype != "category":
        return series.replace(names)
    replaced = series.astype(object).replace(names)
    return replaced.astype("category")
