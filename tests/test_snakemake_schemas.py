"""`params.lamin_schema`: outputs are checked against schemas; a logger fails no job, a wrapper does if asked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_snakemake import WRAPPER_PREFIX
from openlineage.lamin.receive.rebuild import rebuild
from tests.contract.snakemake.playing import play, write

SNAKEFILE = """
rule all:
    input: "fits.csv", "misfit.parquet", "torn.csv", "named.csv", "other.csv", "unknown.csv", "checked.json"

rule fits:
    output: "fits.csv", "notes.txt"
    params: lamin_schema="counts"
    shell: "printf 'number\\n3\\n' > fits.csv; echo well > notes.txt"

rule misfit:
    output: "misfit.parquet"
    params: lamin_schema="counts"
    script: "misfit.py"

rule torn:
    output: "torn.csv"
    params: lamin_schema="counts"
    shell: "touch {output}"

rule named:
    output: table="named.csv", other="other.csv"
    params: lamin_schema={"table": "counts", "absent": "counts"}
    shell: "printf 'number\\n4\\n' > named.csv; printf 'number\\nno\\n' > other.csv"

rule unknown:
    output: "unknown.csv"
    params: lamin_schema="no such schema"
    shell: "printf 'number\\n4\\n' > {output}"

rule lenient:
    input: "misfit.parquet"
    output: "checked.json"
    params: schema="counts", strict=False
    wrapper: "lamin/annotate"

rule strict:
    input: "misfit.parquet"
    output: "strict.json"
    params: schema="counts"
    log: "strict.log"
    wrapper: "lamin/annotate"
"""
MISFIT = """
import pandas as pd
pd.DataFrame({"number": ["many"]}).to_parquet(snakemake.output[0])
"""


def test_outputs_are_validated_against_their_schemas(instance: Instance, tmp_path: Path) -> None:
    number = ln.Feature(name="number", dtype=int).save()
    schema = ln.Schema(name="counts", features=[number]).save()
    write(tmp_path, SNAKEFILE)
    write(tmp_path, MISFIT, "misfit.py")
    options = ("--wrapper-prefix", WRAPPER_PREFIX)
    done = play(tmp_path, *options, LAMIN_SPOOL="")
    assert done.code == 0, done.shown
    assert "no output 'absent'" in done.shown
    assert "no such schema" in done.shown

    for _ in range(2):
        assert _checks() == {
            "fits.csv": "passed",
            "misfit.parquet": "failed",
            "torn.csv": "failed",
            "named.csv": "passed",
        }
        fits, misfit = ln.Artifact.get(key="fits.csv"), ln.Artifact.get(key="misfit.parquet")
        assert (fits.schema, misfit.schema) == (schema, None)
        assert "number" in misfit.features["schema_problems"]
        assert (
            "cannot be read as .csv" in ln.Artifact.get(key="torn.csv").features["schema_problems"]
        )
        assert {run.status for run in ln.Run.all()} == {"completed"}
        assert pd.read_parquet("misfit.parquet").number.tolist() == ["many"]
        rebuild(instance.db)

    failed = play(tmp_path, *options, "strict.json", LAMIN_SPOOL="")
    assert failed.code == 1
    assert "number" in (tmp_path / "strict.log").read_text()
    assert ln.Run.filter(transform__key="Snakefile:strict").one().status == "failed"


def _checks() -> dict[str, str]:
    """The result of the check of each artifact that was checked."""
    values = {artifact.key: artifact.features.get_values() for artifact in ln.Artifact.all()}
    return {key: value["schema_check"] for key, value in values.items() if "schema_check" in value}
