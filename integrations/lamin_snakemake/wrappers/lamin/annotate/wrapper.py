"""Annotate the files of `input`, outputs of other rules, in a lamin registry."""

from lamin_core.errors import InvalidArgument
from lamin_snakemake.records import annotate, registered
from lamin_snakemake.rule_script import logged, write_records

params = snakemake.params  # noqa: F821 - Snakemake defines it

with logged(snakemake.log):  # noqa: F821
    labels, features, schema = (params.get(name) for name in ("labels", "features", "schema"))
    if not (labels or features or schema):
        raise InvalidArgument("nothing to annotate with", hint="params: labels, features, schema")
    artifacts = [registered(path) for path in snakemake.input]  # noqa: F821
    for artifact in artifacts:
        annotate(artifact, labels or (), features, schema, strict=params.get("strict", True))
    write_records(artifacts, snakemake.output)  # noqa: F821
