"""Read a samplesheet: CSV or TSV as nf-core pipelines take it. Needs no database and no other library."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamin_core.errors import NotFound, Unavailable, ValidationError

SAMPLE_COLUMNS = ("sample", "sample_id", "sampleid", "sample_name", "samplename", "id", "name")
"""The columns that name the sample, the likeliest first; without any of them the first column does."""
SHOWN = 20
"""Problems in a message."""
_LARGEST = 100_000_000
"""Bytes."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.I)
_FILE = re.compile(
    r"[^\s,;]+\.(?:fastq|fq|fasta|fa|fna|faa|bam|cram|sam|bed|vcf|bcf|gtf|gff3?|csv|tsv|txt|json|parquet"
    r"|h5ad|h5mu|h5|hdf5|loom|zarr|mtx|mzml|raw|tiff?|png|jpe?g|czi|nd2|svs|fcs|idat|cel|pod5|fast5"
    r"|rds|rdata|zip|tar|gz|bz2|xz|zst)",
    re.I,
)


@dataclass(frozen=True)
class SheetRow:
    """One row of a samplesheet."""

    line: int
    """The last line of the row in the file; the header is line 1."""
    sample: str
    values: Mapping[str, object]
    """The values of the sample by column: text, or the values of a table; without empty cells."""
    files: Mapping[str, str]
    """Paths and URLs as they are written, by column."""


@dataclass(frozen=True)
class Samplesheet:
    """A samplesheet as text: nothing is looked up and no value has a type yet."""

    name: str
    """The name of the sheet in messages: the name of the file."""
    sample_column: str
    value_columns: tuple[str, ...]
    file_columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]

    def by_sample(self) -> dict[str, dict[str, list[object]]]:
        """The values in all rows of each sample, by column; each value once, samples in their order."""
        samples: dict[str, dict[str, list[object]]] = {}
        for row in self.rows:
            values = samples.setdefault(row.sample, {})
            for column, value in row.values.items():
                several = values.setdefault(column, [])
                if value not in several:
                    several.append(value)
        return samples


def read_samplesheet(path: str | Path, *, sample_column: str | None = None) -> Samplesheet:
    """Return the samplesheet in this CSV or TSV file.

    A sample may have several rows, such as one for each lane. A column most of whose cells are
    paths or URLs is one of files.

    Args:
        path: Up to 100 MB of UTF-8; the separator is a comma, a semicolon or a tab.
        sample_column: What names the sample; by default `sample`, `sample_id` and the like, else
            the first column.

    Raises:
        NotFound: There is no such file.
        Unavailable: It cannot be read.
        ValidationError: It is no samplesheet; the message lists all bad rows.

    Example:
        >>> _ = Path("sheet.csv").write_text("sample,fastq_1,condition\\nA,a.fq.gz,KO\\n")
        >>> sheet = read_samplesheet("sheet.csv")
        >>> sheet.file_columns, sheet.rows[0].values
        (('fastq_1',), {'condition': 'KO'})
    """
    file = Path(path)
    return parse_samplesheet(_text(file), name=file.name, sample_column=sample_column)


def parse_samplesheet(text: str, *, name: str, sample_column: str | None = None) -> Samplesheet:
    """Return the samplesheet that this text is. Raises `ValidationError` as `read_samplesheet` does.

    >>> parse_samplesheet("sample;dose\\nA;1\\nA;2\\n", name="x.csv").by_sample()
    {'A': {'dose': ['1', '2']}}
    """
    lines = _cells(text, name)
    if not lines:
        raise ValidationError(f"{name!r} is empty", hint="the first line names the columns")
    header = [cell.strip() for cell in lines[0][1]]
    return samplesheet_of(header, lines[1:], name=name, sample_column=sample_column)


def samplesheet_of(
    header: Sequence[str],
    lines: Sequence[tuple[int, Sequence[object]]],
    *,
    name: str,
    sample_column: str | None = None,
) -> Samplesheet:
    """Return the samplesheet with these columns and rows, each with its line. Raises `ValidationError`.

    Cells that are None or blank are empty.
    """
    _check_header(header, name)
    sample = _sample_column(header, sample_column, name)
    if not lines:
        raise ValidationError(f"{name!r} has no rows", hint="one row for each sample")
    stripped = [(line, _stripped(row)) for line, row in lines]
    check_rows(name, _problems(header, sample, stripped))
    cells = [dict(zip(header, row, strict=True)) for _, row in stripped]
    others = [column for column in header if column != sample]
    files = tuple(column for column in others if _names_files(cells, column))
    values = tuple(column for column in others if column not in files)
    rows = [
        SheetRow(
            line,
            str(row[sample]),
            {column: row[column] for column in values if row[column] is not None},
            {column: str(row[column]) for column in files if row[column] is not None},
        )
        for (line, _), row in zip(stripped, cells, strict=True)
    ]
    return Samplesheet(name, sample, values, files, tuple(rows))


def check_rows(name: str, problems: Sequence[str]) -> None:
    """Raise `ValidationError` with all problems of a samplesheet, if there are any; of many, the first and a count."""
    if not problems:
        return
    number = len(problems)
    lines = [f"{number:,} problem{'s' if number > 1 else ''} in {name!r}:"]
    lines += [f"  {problem}" for problem in problems[:SHOWN]]
    if number > SHOWN:
        lines.append(f"  and {number - SHOWN:,} more")
    raise ValidationError(
        "\n".join(lines), hint="nothing was saved; correct the rows and try again"
    )


def is_file_name(text: str) -> bool:
    """Whether a cell is the path or the URL of a file.

    >>> is_file_name("s3://b/a_R1.fastq.gz"), is_file_name("10 mg/ml"), is_file_name("GRCh38.p13")
    (True, False, False)
    """
    return bool(_URL.fullmatch(text) or _FILE.fullmatch(text)) or text.startswith(
        ("/", "./", "../")
    )


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST:
            raise ValidationError(
                f"{file.name!r} is larger than 100 MB", hint="is it a samplesheet?"
            )
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(f"no file {str(file)!r}", hint="lamin import samplesheet.csv") from error
    except OSError as error:
        raise Unavailable(f"{str(file)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValidationError(
            f"{file.name!r} is not text in UTF-8: byte {error.start}", hint="save it as CSV, UTF-8"
        ) from error


def _cells(text: str, name: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, with the lines on which they end."""
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValidationError(
            f"{name!r} is not CSV: {error}, in line {reader.line_num}", hint="save it as CSV, UTF-8"
        ) from error


def _check_header(header: Sequence[str], name: str) -> None:
    problems = [
        f"column {number + 1} has no name" for number, column in enumerate(header) if not column
    ]
    repeated = [column for column, count in Counter(header).items() if column and count > 1]
    check_rows(
        name, [*problems, *(f"several columns are called {column!r}" for column in repeated)]
    )


def _sample_column(header: Sequence[str], column: str | None, name: str) -> str:
    if column is not None:
        if column not in header:
            raise ValidationError(
                f"{name!r} has no column {column!r}", hint=f"there are: {', '.join(header)}"
            )
        return column
    by_lower = {title.lower().replace(" ", "_"): title for title in reversed(header)}
    likely = [by_lower[title] for title in SAMPLE_COLUMNS if title in by_lower]
    return likely[0] if likely else header[0]


def _problems(
    header: Sequence[str], sample: str, lines: Iterable[tuple[int, Sequence[object]]]
) -> list[str]:
    problems = []
    first_lines: dict[tuple[object, ...], int] = {}
    for line, cells in lines:
        if len(cells) != len(header):
            problems.append(f"line {line}: {len(cells)} cells under {len(header)} columns")
        elif cells[header.index(sample)] is None:
            problems.append(f"line {line}: no {sample}")
        elif tuple(cells) in first_lines:
            problems.append(f"line {line}: the same as line {first_lines[tuple(cells)]}")
        first_lines.setdefault(tuple(cells), line)
    return problems


def _stripped(row: Iterable[object]) -> list[object]:
    return [(cell.strip() or None) if isinstance(cell, str) else cell for cell in row]


def _names_files(rows: Iterable[Mapping[str, object]], column: str) -> bool:
    """Whether most of its cells are paths or URLs; the others are mistakes that are reported later."""
    cells = [row[column] for row in rows if row[column] is not None]
    files = [cell for cell in cells if isinstance(cell, str) and is_file_name(cell)]
    return 2 * len(files) > len(cells)
