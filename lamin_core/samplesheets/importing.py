"""Turn a samplesheet into records of a sheet, and label the files that it names with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from lamin_core.errors import InvalidArgument, ValidationError
from lamin_core.models import Artifact, Feature, Schema
from lamin_core.models.checks import shown
from lamin_core.models.dtypes import Dtype, parse
from lamin_core.query.operators import OPERATORS
from lamin_core.runtime import current
from lamin_core.samplesheets.files import NamedFiles, find_files
from lamin_core.samplesheets.reading import (
    Samplesheet,
    check_rows,
    read_samplesheet,
    samplesheet_of,
)
from lamin_core.samplesheets.registry import Record
from lamin_core.samplesheets.saving import Described, described_record, term_uids
from lamin_core.samplesheets.typed import Values, inferred_dtype, schema_problems, typed_values
from lamin_core.saving import save_all
from lamin_core.saving.from_values import Records
from lamin_core.saving.records import SavingInstance

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {"i": "int", "u": "int", "f": "float", "b": "bool", "M": "datetime"}
"""The types of features, by the kinds of those of pandas."""
Infer = Callable[[str, list[object]], str]
"""Takes a column and its cells; returns the type of a feature."""


class SheetRecords(Records):
    """The records of a samplesheet, unsaved, and what it names."""

    def __init__(
        self,
        instance: SavingInstance,
        records: Iterable[Record],
        artifacts: Mapping[str, Artifact],
        unregistered: tuple[str, ...],
    ) -> None:
        super().__init__(instance, records)
        self.artifacts = list({id(artifact): artifact for artifact in artifacts.values()}.values())
        """The files that the sheet names, without repetition."""
        self.unregistered = unregistered
        """URLs that the registry does not know; once a run has read them, saving the sheet again labels them."""

    def save(self) -> Self:
        """Register the files that are new, then write everything else in one transaction."""
        save_all(self._place, [artifact for artifact in self.artifacts if artifact.id is None])
        return super().save()


@dataclass(frozen=True)
class _Draft:
    """The parsed sheet, with all of its problems."""

    dtypes: dict[str, Dtype]
    values: Values
    files: NamedFiles
    problems: list[str] = field(default_factory=list)


def import_samplesheet(
    path: str | Path,
    *,
    sheet: str | Record | None = None,
    schema: Schema | None = None,
    sample_column: str | None = None,
) -> SheetRecords:
    """Read a CSV or TSV file, save a record for each sample, and label the files that it names.

    Importing the same file again changes nothing; a corrected one replaces the values of its columns.

    Args:
        path: The file; relative paths in it are looked up in the working folder, then beside it.
        sheet: The type of the records, or its name; by default the name of the file.
        schema: What the columns have to fit.
        sample_column: What names the sample, see `read_samplesheet`.

    Raises:
        ValidationError: Rows, values or files do not fit; all are listed, and nothing is saved.
        NotFound: There is no such file.

    Example:
        >>> import lamin_core as ln
        >>> _ = ln.setup.init("data")
        >>> _ = Path("reads.fastq").write_text("@r1")
        >>> _ = Path("screen.csv").write_text("sample,fastq_1,dose\\nA,reads.fastq,5\\n")
        >>> _ = import_samplesheet("screen.csv")
        >>> ln.Artifact.get(records__name="A").key
        'reads.fastq'
    """
    file = Path(path)
    samplesheet = read_samplesheet(file, sample_column=sample_column)
    folders = [Path.cwd(), file.absolute().parent]
    return records_of_sheet(
        samplesheet, file.stem if sheet is None else sheet, schema, folders
    ).save()


def records_of_sheet(
    sheet: Samplesheet,
    type: str | Record,
    schema: Schema | None,
    folders: Iterable[Path],
    infer: Infer = lambda _column, cells: inferred_dtype(cells),
) -> SheetRecords:
    """Return the records that a samplesheet describes, unsaved. Raises `ValidationError` with all that is wrong."""
    instance: SavingInstance = current.current_instance()
    sheet_record = _sheet_record(type)
    with instance.db.reading() as session:
        draft = _draft(session, sheet, schema, folders, infer)
    check_rows(sheet.name, draft.problems)
    artifacts = {**draft.files.artifacts, **draft.files.new_artifacts()}
    by_sample: dict[str, list[Artifact]] = {}
    for row in sheet.rows:
        several = by_sample.setdefault(row.sample, [])
        several += [artifacts[text] for text in row.files.values() if text in artifacts]
    records = [
        described_record(
            sample,
            Described(sheet_record, draft.values.get(sample, {}), draft.dtypes, several),
        )
        for sample, several in by_sample.items()
    ]
    return SheetRecords(instance, records, artifacts, draft.files.unregistered)


def _sheet_record(type: object) -> Record:
    if isinstance(type, Record) and type.is_type:
        return type
    if not isinstance(type, str):
        raise InvalidArgument(f"not a sheet: {shown(type)}", hint='type="the name of the sheet"')
    return Record(name=type, is_type=True)


def _draft(
    session: Session,
    sheet: Samplesheet,
    schema: Schema | None,
    folders: Iterable[Path],
    infer: Infer,
) -> _Draft:
    dtypes = _dtypes(session, sheet, infer)
    values, problems = typed_values(sheet, dtypes)
    if schema is not None:
        problems += schema_problems(sheet, dtypes, schema)
    problems += _unknown_terms(session, dtypes, values)
    files = find_files(session, sheet, folders)
    return _Draft(dtypes, values, files, [*problems, *files.problems])


def _dtypes(session: Session, sheet: Samplesheet, infer: Infer) -> dict[str, Dtype]:
    """The type of each column: that of the feature with its name, else what its cells are."""
    query = select(Feature.name, Feature.dtype).where(
        OPERATORS["in"](Feature.name, list(sheet.value_columns))
    )
    existing = {row.name: row.dtype for row in session.execute(query)}
    dtypes = {}
    for column in sheet.value_columns:
        cells = [row.values[column] for row in sheet.rows if column in row.values]
        dtypes[column] = parse(existing.get(column) or infer(column, cells))
    return dtypes


def _unknown_terms(session: Session, dtypes: Mapping[str, Dtype], values: Values) -> list[str]:
    problems = []
    query = select(Feature).where(OPERATORS["in"](Feature.name, list(dtypes)))
    for feature in session.scalars(query):
        try:
            term_uids(
                session, feature, [by_column.get(feature.name, []) for by_column in values.values()]
            )
        except ValidationError as error:
            problems.append(f"{feature.name}: {error.message}")
    return problems


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
