"""Samplesheets as text: columns, rows of one sample, and all mistakes at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamin_core.errors import NotFound, ValidationError
from lamin_core.samplesheets.reading import parse_samplesheet, read_samplesheet

Write = Callable[[str, str], Path]
RNASEQ = """sample,fastq_1,fastq_2,strandedness
CONTROL_REP1,AEG_1.fastq.gz,AEG_2.fastq.gz,auto
CONTROL_REP1,AEH_1.fastq.gz,AEH_2.fastq.gz,auto
TREATED_REP1,https://host/x_1.fastq.gz,,forward
"""


def test_rows_of_the_same_sample_are_joined(write: Write) -> None:
    sheet = read_samplesheet(write("samplesheet.csv", RNASEQ))
    assert (sheet.name, sheet.sample_column) == ("samplesheet.csv", "sample")
    assert sheet.file_columns == ("fastq_1", "fastq_2")
    assert sheet.value_columns == ("strandedness",)
    assert sheet.by_sample() == {
        "CONTROL_REP1": {"strandedness": ["auto"]},
        "TREATED_REP1": {"strandedness": ["forward"]},
    }
    assert [row.line for row in sheet.rows] == [2, 3, 4]
    assert sheet.rows[2].files == {"fastq_1": "https://host/x_1.fastq.gz"}


@pytest.mark.parametrize(
    ("text", "sample_column"),
    [
        ("patient;Sample ID\nP;A\n", "Sample ID"),
        ("patient\tgroup\nP\tA\n", "patient"),
        ('"sample",x\r\n"A, with a comma",1\r\n\r\n', "sample"),
    ],
)
def test_sample_column_is_guessed(text: str, sample_column: str) -> None:
    assert parse_samplesheet(text, name="s").sample_column == sample_column


def test_byte_order_mark_is_not_part_of_the_first_column(write: Write) -> None:
    path = write("s.csv", "\ufeffsample,x\nA,1\n")
    assert read_samplesheet(path).sample_column == "sample"
    assert read_samplesheet(path, sample_column="x").by_sample() == {"1": {"sample": ["A"]}}


def test_all_bad_rows_are_reported_at_once() -> None:
    text = "sample,dose\nA,1\nB\n,2\nA,1\nC,1,2\n"
    with pytest.raises(ValidationError) as caught:
        parse_samplesheet(text, name="s.csv")
    assert caught.value.message.splitlines() == [
        "4 problems in 's.csv':",
        "  line 3: 1 cells under 2 columns",
        "  line 4: no sample",
        "  line 5: the same as line 2",
        "  line 6: 3 cells under 2 columns",
    ]
    many = "sample,dose\n" + "A\n" * 1000
    with pytest.raises(ValidationError, match="and 980 more"):
        parse_samplesheet(many, name="s.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("sample,x\n", "has no rows"),
        (
            "sample,x,x,\nA,1,2,3\n",
            "2 problems.*\n.*column 4 has no name\n.*several columns are called 'x'",
        ),
        ('sample,x\n"A,1\n', "is not CSV"),
    ],
)
def test_text_that_is_not_a_samplesheet_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_samplesheet(text, name="s.csv")


def test_unreadable_samplesheets_are_refused(in_tmp_path: Path, write: Write) -> None:
    with pytest.raises(NotFound, match=r"no\.csv"):
        read_samplesheet("no.csv")
    Path("latin.csv").write_bytes("sample\nZürich\n".encode("latin-1"))
    with pytest.raises(ValidationError, match="not text in UTF-8"):
        read_samplesheet("latin.csv")
    with pytest.raises(ValidationError, match="no column 'y'"):
        read_samplesheet(write("s.csv", "sample,x\nA,1\n"), sample_column="y")
    os.truncate(write("large.csv", "sample\n"), 100_000_001)
    with pytest.raises(ValidationError, match="larger than 100 MB"):
        read_samplesheet("large.csv")
