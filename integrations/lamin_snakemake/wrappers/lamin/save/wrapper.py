"""Save the files of `input` as artifacts of a lamin registry."""

from lamin_core.errors import InvalidArgument
from lamin_snakemake.records import annotate, saved
from lamin_snakemake.rule_script import logged, write_records

params = snakemake.params  # noqa: F821 - Snakemake defines it

with logged(snakemake.log):  # noqa: F821
    paths = list(snakemake.input)  # noqa: F821
    key = params.get("key")
    if key is not None and len(paths) != 1:
        raise InvalidArgument(
            f"key={key!r} for {len(paths)} input files", hint="one input file, or no key"
        )
    labels, features, schema = (params.get(name) for name in ("labels", "features", "schema"))
    artifacts = [saved(path, key, params.get("description")) for path in paths]
    for artifact in artifacts:
        annotate(artifact, labels or (), features, schema, strict=params.get("strict", True))
    write_records(artifacts, snakemake.output)  # noqa: F821
