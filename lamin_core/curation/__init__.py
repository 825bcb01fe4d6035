"""Curation, `ln.curators`: data are validated against a schema, saved, and annotated with what they hold.

Importing it loads nothing heavy; pandera is imported when something is validated.
"""

from __future__ import annotations

from lamin_core.curation.checks import check as check
from lamin_core.curation.curators import DataFrameCurator as DataFrameCurator
from lamin_core.curation.objects import AnnDataCurator as AnnDataCurator
from lamin_core.curation.objects import MuDataCurator as MuDataCurator
from lamin_core.curation.objects import SpatialDataCurator as SpatialDataCurator

__all__ = ["AnnDataCurator", "DataFrameCurator", "MuDataCurator", "SpatialDataCurator", "check"]
