"""Put an artifact of a lamin registry at `output`."""

from lamin_core.errors import InvalidArgument
from lamin_snakemake.records import artifact_named, put_at
from lamin_snakemake.rule_script import logged

params = snakemake.params  # noqa: F821 - Snakemake defines it

with logged(snakemake.log):  # noqa: F821
    name = params.get("key") or params.get("uid")
    if name is None:
        raise InvalidArgument("nothing to stage", hint='params: key="raw/a.csv@0000", or uid="..."')
    put_at(artifact_named(name), snakemake.output[0], copy=params.get("copy", False))  # noqa: F821
