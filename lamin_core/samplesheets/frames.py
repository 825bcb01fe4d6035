"""A samplesheet that is a `pandas.DataFrame`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lamin_core.errors import InvalidArgument
from lamin_core.models import Schema
from lamin_core.models.checks import shown
from lamin_core.samplesheets.importing import SheetRecords, records_of_sheet
from lamin_core.samplesheets.reading import samplesheet_of
from lamin_core.samplesheets.registry import Record

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"i": "int", "u": "int", "f": "float", "b": "bool", "M": "datetime"}


def records_of_frame(
    df: pd.DataFrame,
    *,
    sheet: str | Record | None,
    sample_column: str | None,
    schema: Schema | None,
) -> SheetRecords:
    """Return the records that the rows of a table describe, unsaved; see `Record.from_dataframe`."""
    import pandas

    if not isinstance(df, pandas.DataFrame):
        raise InvalidArgument(f"not a DataFrame: {shown(df)}", hint="ln.Record.from_dataframe(df)")
    header = [str(column) for column in df.columns]
    cells = df.astype(object).where(df.notna(), None)
    lines = [(number, list(row)) for number, row in enumerate(cells.itertuples(index=False), 2)]
    samplesheet = samplesheet_of(header, lines, name="the table", sample_column=sample_column)
    dtypes = dict(zip(header, df.dtypes, strict=True))

    def infer(column: str, _cells: list[object]) -> str:
        return _KINDS.get(getattr(dtypes[column], "kind", ""), "str")

    return records_of_sheet(samplesheet, sheet or "Sample", schema, [Path.cwd()], infer)
