"""The environment of a job: the conda file and the container image that Snakemake deployed for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from openlineage.lamin.emit.facets import Facet, lamin_environment

_REQUIREMENT = re.compile(r"(?:[\w.-]+::)?([\w.-]+)(?:\[[^]]*\])?\s*(.*)")
_NAMES = ("dependencies", "pip")


def job_environment(details: Mapping[str, object], conda_file: str | None) -> Facet | None:
    """Return the environment that a job ran in; None where Snakemake deployed none (`--software-deployment-method`).

    Args:
        details: Those of the job: `conda`, `container` and `software_deployment`.
        conda_file: The text of its conda file, if it can be read.

    >>> details = {"container": "docker://alpine", "software_deployment": ["apptainer"]}
    >>> job_environment(details, None)["platform"]
    'docker://alpine'
    """
    deployed = details.get("software_deployment")
    methods = deployed if isinstance(deployed, list) else []
    image = str(details.get("container") or "") if "apptainer" in methods else ""
    text = conda_file if "conda" in methods else None
    if text is None:
        return lamin_environment("", image, {}, None) if image else None
    conda, pip = requirements(text)
    file = PurePath(str(details.get("conda"))).name
    return lamin_environment(conda.get("python", ""), image, pip, conda, {file: text})


def requirements(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a conda file requires of conda and of pip: version by name, `*` for any.

    >>> requirements("dependencies:\\n  - bioconda::samtools=1.17\\n  - pip\\n  - pip:\\n    - polars>=1 # fast\\n")
    ({'samtools': '1.17', 'pip': '*'}, {'polars': '>=1'})
    """
    groups: dict[str, dict[str, str]] = {name: {} for name in _NAMES}
    group: dict[str, str] = {}
    for line in text.splitlines():
        item = line.partition("#")[0].strip()
        name = item.removeprefix("- ").strip().removesuffix(":")
        if item.endswith(":"):
            group = groups.get(name, {})
        elif item.startswith("- "):
            match = _REQUIREMENT.fullmatch(name.strip("\"' "))
            if match is not None:
                group[match[1]] = match[2].lstrip("= ") or "*"
    return groups["dependencies"], groups["pip"]
