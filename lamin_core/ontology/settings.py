"""`bt.settings`: which organism is meant where none is named."""

from __future__ import annotations

from lamin_core.errors import InvalidArgument
from lamin_core.models.checks import shown


class OntologySettings:
    """What holds for all biological registries in this process.

    >>> settings = OntologySettings()
    >>> settings.organism = "mouse"
    >>> settings.organism
    'mouse'
    """

    def __init__(self) -> None:
        self._organism: str | None = None

    @property
    def organism(self) -> str | None:
        """The name of the organism of genes, proteins and stages for which none is named; None for human."""
        return self._organism

    @organism.setter
    def organism(self, organism: object) -> None:
        name = getattr(organism, "name", organism)
        if name is not None and not isinstance(name, str):
            raise InvalidArgument(f"not an organism: {shown(organism)}", hint='organism = "mouse"')
        self._organism = name


settings = OntologySettings()
