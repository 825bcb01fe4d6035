#!/usr/bin/env python
"""Run one workload with this package: `workload.py [WORKLOAD.py]`, with `LAMIN_BENCH` the folder of the workloads.

Each operation is taken from `backends.py` beside the workloads, but for the two that are here.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

BENCH = os.environ["LAMIN_BENCH"]
sys.path.insert(0, BENCH)

import backends  # noqa: E402


class LaminCore(backends.LaminCore):  # type: ignore[misc, name-defined]
    """lamin-core, as of this checkout."""

    def cli_init(self, storage: str) -> list[str]:
        """The command that creates an instance."""
        return [str(Path(sys.executable).parent / "lamin"), "init", "--storage", storage]

    def bulk_artifacts(
        self, ln: ModuleType, rows: Sequence[tuple[str, int, str]], label_links: list[Any]
    ) -> list[Any]:
        """Write rows of files that do not exist (key, size, hash), below the public API as for LaminDB."""
        from lamin_core.db import statements
        from lamin_core.models import ArtifactSeries, ArtifactULabel, Content, now
        from lamin_core.runtime import current
        from lamin_core.uids import random_uid

        instance = current.current_instance()
        created_at = now()
        storage_id = ln.Storage.get(root=instance.storage).id
        with instance.db.writing() as session:
            series_ids, content_ids, artifact_ids = (
                statements.reserve(session, kind, len(rows))
                for kind in (ArtifactSeries, Content, ln.Artifact)
            )
            series, contents, artifacts = [], [], []
            for index, (key, size, digest) in enumerate(rows):
                stem = random_uid(16)
                series.append(
                    {
                        "id": series_ids[index],
                        "stem": stem,
                        "storage_id": storage_id,
                        "key": key,
                        "last_observed_at": created_at,
                    }
                )
                contents.append(
                    {"id": content_ids[index], "hash": digest, "hash_type": "md5", "size": size}
                )
                artifacts.append(
                    {
                        "id": artifact_ids[index],
                        "uid": f"{stem}0000",
                        "series_id": series_ids[index],
                        "number": 0,
                        "is_latest": True,
                        "storage_id": storage_id,
                        "key": key,
                        "content_id": content_ids[index],
                        "suffix": ".parquet",
                        "created_by_id": instance.user_id,
                        "created_at": created_at,
                        "origin": "api",
                    }
                )
            statements.insert_rows(session, ArtifactSeries, series)
            statements.insert_rows(session, Content, contents)
            statements.insert_rows(session, ln.Artifact, artifacts)
            links = [
                {"artifact_id": artifact_ids[index], "ulabel_id": label.id}
                for index, label in label_links
            ]
            statements.insert_rows(session, ArtifactULabel, links)
        return list(ln.Artifact.filter().order_by("id"))


if __name__ == "__main__":
    backends._B["lamin_core"] = LaminCore
    script = Path(BENCH, sys.argv.pop(1))
    sys.argv[0] = str(script)
    runpy.run_path(str(script), run_name="__main__")
