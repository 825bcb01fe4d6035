"""Samplesheets become records, values and labels; what does not fit is reported at once, and nothing is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, ValidationError
from lamin_core.instance.instance import Instance
from lamin_core.samplesheets.importing import import_samplesheet
from tests.support.commands import typed

Write = Callable[[str, str], Path]
SHEET = """sample,fastq_1,fastq_2,strandedness,dose
CONTROL,reads/c1_1.fastq,reads/c1_2.fastq,auto,0
CONTROL,reads/c2_1.fastq,,auto,0
TREATED,reads/t_1.fastq,https://host/t_2.fastq.gz,forward,2.5
"""


@pytest.fixture
def sheet(instance: Instance, write: Write) -> Path:
    """A samplesheet and the files that it names, in the project."""
    for name in ("c1_1", "c1_2", "c2_1", "t_1"):
        write(f"reads/{name}.fastq", f"@{name}")
    return write("samplesheet.csv", SHEET)


def _counts() -> dict[str, int]:
    registries = (ln.Record, ln.Feature, ln.Artifact)
    return {registry.__name__: registry.all().count() for registry in registries}


def test_samples_become_records_with_values_and_label_their_files(sheet: Path) -> None:
    records = import_samplesheet(sheet, sheet="RNA-seq")
    assert [record.name for record in records] == ["CONTROL", "TREATED"]
    assert records.unregistered == ("https://host/t_2.fastq.gz",)
    treated = ln.Record.get(name="TREATED")
    assert treated.type == ln.Record.get(name="RNA-seq", is_type=True)
    assert treated.features.get_values() == {"strandedness": "forward", "dose": 2.5}
    assert ln.Record.filter(dose__gt=1).one() == treated
    assert ln.Feature.get(name="dose").dtype == "float"
    control = ln.Artifact.filter(records__name="CONTROL")
    assert sorted(artifact.key or "" for artifact in control) == [
        "reads/c1_1.fastq",
        "reads/c1_2.fastq",
        "reads/c2_1.fastq",
    ]
    assert control.first().run is None
    assert next(iter(treated.artifacts.all())).labels.all() == {"records": ["TREATED"]}
    frame = ln.Record.filter(type=treated.type).df(features=True).set_index("name")
    assert frame.loc["CONTROL", "dose"] == 0


def test_results_are_queried_by_sample(sheet: Path) -> None:
    import_samplesheet(sheet)
    ln.track(key="align.py")
    ln.Artifact.get(key="reads/t_1.fastq").cache()
    Path("t.bam").write_text("aligned")
    bam = ln.Artifact("t.bam", key="t.bam").save()
    ln.finish()
    results = ln.Artifact.filter(run__input_artifacts__records__name="TREATED")
    assert results.one() == bam
    assert typed("artifacts", "--label", "TREATED", "--json").json[0]["key"] == "reads/t_1.fastq"


def test_reimport_changes_nothing_and_a_corrected_sheet_replaces_values(sheet: Path) -> None:
    import_samplesheet(sheet)
    before = _counts()
    import_samplesheet(sheet)
    assert _counts() == before
    sheet.write_text(SHEET.replace("forward,2.5", "reverse,3"))
    import_samplesheet(sheet)
    assert _counts() == before
    assert ln.Record.get(name="TREATED").features.get_values() == {
        "strandedness": "reverse",
        "dose": 3.0,
    }


def test_all_problems_of_a_samplesheet_are_reported_at_once_and_nothing_is_saved(
    sheet: Path,
) -> None:
    ln.Feature(name="dose", dtype="int").save()
    ln.Feature(name="strandedness", dtype="cat[ULabel]").save()
    ln.ULabel(name="auto").save()
    before = _counts()
    sheet.write_text(SHEET.replace("reads/c2_1.fastq", "reads/no.fastq"))
    with pytest.raises(ValidationError) as caught:
        import_samplesheet(sheet)
    message = caught.value.message
    assert message.startswith("3 problems in 'samplesheet.csv':")
    assert "line 4: the value '2.5' of feature 'dose' is str, not int" in message
    assert "line 3: fastq_1: no such file: 'reads/no.fastq'" in message
    assert "ULabel: ['forward']" in message
    assert _counts() == before


def test_samplesheet_is_validated_against_a_schema(sheet: Path) -> None:
    features = [
        ln.Feature(name="sample", dtype="str").save(),
        ln.Feature(name="dose", dtype="float", nullable=False).save(),
        ln.Feature(name="batch", dtype="str").save(),
    ]
    schema = ln.Schema(features, name="samples").save()
    sheet.write_text(SHEET.replace("auto,0\nTREATED", "auto,\nTREATED"))
    result = typed("import", "samplesheet.csv", "--schema", "samples", code=4)
    assert "2 problems in 'samplesheet.csv'" in result.stderr
    assert "column 'batch' is missing" in result.stderr
    assert (
        "column 'dose' has 1 missing value, and its feature allows none; rows: 3" in result.stderr
    )
    assert ln.Record.filter(is_type=True).count() == 0
    schema = ln.Schema(features[:2], name="fewer").save()
    sheet.write_text(SHEET)
    assert len(import_samplesheet(sheet, schema=schema)) == 2


def test_import_samplesheet_command_prints_a_summary(sheet: Path) -> None:
    result = typed("import", "samplesheet", str(sheet), "--sheet", "RNA-seq")
    assert "sheet 'RNA-seq': 2 samples, 4 files labelled" in result.stderr
    assert "1 URLs are not registered yet" in result.stderr
    facts = typed("import", "samplesheet.csv", "--json").json
    assert facts == {
        "sheet": "samplesheet",
        "samples": 2,
        "artifacts": 4,
        "unregistered": ["https://host/t_2.fastq.gz"],
    }


def test_record_from_dataframe_makes_one_record_per_row(instance: Instance) -> None:
    df = pd.DataFrame(
        {"sample": ["A", "B"], "dose": [1, 5], "note": ["x", None], "ok": [True, False]}
    )
    records = ln.Record.from_dataframe(df, type="Screen")
    assert ln.Record.all().count() == 0
    records.save()
    assert ln.Record.get(name="B").features.get_values() == {"dose": 5, "ok": False}
    dtypes = {feature.name: feature.dtype for feature in ln.Feature.all()}
    assert dtypes == {"dose": "int", "note": "str", "ok": "bool"}
    with pytest.raises(InvalidArgument, match="not a DataFrame"):
        ln.Record.from_dataframe([1])  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="not a sheet"):
        ln.Record.from_dataframe(df, type=records[0])


def test_records_can_be_created_directly_and_are_protected(
    instance: Instance, write: Write
) -> None:
    samples = ln.Record(name="Sample", is_type=True).save()
    record = ln.Record(name="S1", type=samples).save()
    assert ln.Record(name="S1", type=samples).save() == record
    feature = ln.Feature(name="dose", dtype=float).save()
    record.features.add_values({"dose": 1.5})
    stock = ln.Feature(name="stock", dtype=ln.Record).save()
    assert stock.dtype == "cat[Record]"
    artifact = ln.Artifact(write("a.txt", "a")).save()
    artifact.features.add_values({"stock": "S1"})
    assert ln.Artifact.get(stock="S1") == artifact
    for used in (record, samples, feature):
        with pytest.raises(Conflict, match="is used by"):
            used.delete(permanent=True)
    artifact.features.remove_values("stock")
    record.delete(permanent=True)
    assert ln.Record.filter(name="S1").count() == 0
    with pytest.raises(InvalidArgument, match="not a saved type"):
        ln.Record(name="S2", type=ln.Record(name="unsaved", is_type=True))
    samples.type = samples
    with pytest.raises(InvalidArgument, match="its own type"):
        samples.save()


def test_thousands_of_rows_are_imported(instance: Instance, write: Write) -> None:
    rows = "".join(f"S{number},{number}\n" for number in range(5_000))
    import_samplesheet(write("many.csv", f"sample,number\n{rows}"))
    assert ln.Record.filter(number__gte=4_990, is_type=False).count() == 10
