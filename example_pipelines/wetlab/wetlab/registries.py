"""The registries, one table each, and what artifacts may be labelled with."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from sqlalchemy import Date, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lamin_core.base import Hierarchical, ModuleRegistry, ToMany, ToOne, label_artifacts


class Experiment(ModuleRegistry):
    """A question, and what was done to answer it."""

    __tablename__ = "wetlab_experiment"

    date: Mapped[dt.date | None] = mapped_column(Date)

    wells: ClassVar[ToMany[Well]] = ToMany("Well", own="experiment_id")


class Biosample(ModuleRegistry):
    """Material of an organism, such as a biopsy."""

    __tablename__ = "wetlab_biosample"

    batch: Mapped[str | None]
    organism_id: Mapped[int | None] = mapped_column(ForeignKey("bionty_organism.id"), index=True)

    organism: ClassVar[ToOne[object]] = ToOne("Organism", "organism_id")
    techsamples: ClassVar[ToMany[Techsample]] = ToMany("Techsample", own="biosample_id")


class Techsample(ModuleRegistry):
    """What was prepared of a biosample for one measurement, such as a library."""

    __tablename__ = "wetlab_techsample"

    batch: Mapped[str | None]
    biosample_id: Mapped[int | None] = mapped_column(ForeignKey("wetlab_biosample.id"), index=True)

    biosample: ClassVar[ToOne[Biosample | None]] = ToOne("Biosample", "biosample_id")


class Treatment(Hierarchical, ModuleRegistry):
    """What was done to samples: a compound, a genetic or an environmental perturbation; some are parts of others."""

    __tablename__ = "wetlab_treatment"

    system: Mapped[str | None]
    """The means, such as `CRISPR Cas9` or a solvent."""
    concentration: Mapped[float | None]
    concentration_unit: Mapped[str | None]
    duration_hours: Mapped[float | None]


class Well(ModuleRegistry):
    """A well of a plate; its name is that on the plate, such as A01."""

    __tablename__ = "wetlab_well"
    __table_args__ = (UniqueConstraint("name", "experiment_id"),)
    _known_by = ("name", "experiment_id")

    row: Mapped[str | None]
    column: Mapped[int | None]
    experiment_id: Mapped[int | None] = mapped_column(
        ForeignKey("wetlab_experiment.id"), index=True
    )

    experiment: ClassVar[ToOne[Experiment | None]] = ToOne("Experiment", "experiment_id")


for _registry in (Experiment, Biosample, Techsample, Treatment, Well):
    label_artifacts(_registry)
