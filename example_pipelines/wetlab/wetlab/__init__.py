"""Registries of a wet lab; `import wetlab as wl` beside `import lamin_core as ln`."""

from wetlab.registries import Biosample, Experiment, Techsample, Treatment, Well

__all__ = ["Biosample", "Experiment", "Techsample", "Treatment", "Well"]
