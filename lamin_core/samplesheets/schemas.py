"""Whether a samplesheet fits a schema, as a curator of tables says it."""

from __future__ import annotations

from collections.abc import Mapping

from lamin_core.curation.curators import DataFrameCurator
from lamin_core.errors import MissingExtra, ValidationError
from lamin_core.models import Schema
from lamin_core.models.dtypes import Dtype
from lamin_core.samplesheets.reading import Samplesheet
from lamin_core.samplesheets.typed import cell_value


def schema_problems(sheet: Samplesheet, dtypes: Mapping[str, Dtype], schema: Schema) -> list[str]:
    """Return what is wrong with the columns of a sheet, those of samples and files among them, a line each.

    Cells that are no values of their types are left to `typed_values`. Raises `MissingExtra`.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "curate") from error
    columns = [sheet.sample_column, *sheet.value_columns, *sheet.file_columns]
    rows = []
    for row in sheet.rows:
        cells = {sheet.sample_column: row.sample, **row.files}
        rows.append(cells | _typed(row.values, dtypes))
    table = pandas.DataFrame(rows, columns=columns, index=[row.line for row in sheet.rows])
    table = table.dropna(axis="columns", how="all")
    try:
        DataFrameCurator(table, schema).validate()
    except ValidationError as error:
        lines = [line.strip() for line in error.message.splitlines()[1:]]
        return [line for line in lines if not line.startswith("→")]  # how to mend a data frame
    return []


def _typed(values: Mapping[str, object], dtypes: Mapping[str, Dtype]) -> dict[str, object]:
    typed = {}
    for column, cell in values.items():
        try:
            typed[column] = cell_value(column, dtypes[column], cell)
        except ValidationError:
            continue
    return typed
