"""One function per operation; names that differ between backends live only here.

``lamindb``     = LaminDB 2.12 (Django).
``lamin_core``  = ours. Same public names as the LaminDB seed, so ``LaminCore`` only
                  overrides set-up and the few low-level routes.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path


class Backend:
    name = module = ""

    # -- set-up ------------------------------------------------------------
    def env(self, tmp: Path) -> dict:
        return {}

    def import_stmt(self) -> str:
        return f"import {self.module}"

    def connect_stmt(self) -> str:
        """Python source that imports and is ready to run its first query."""
        return f"import {self.module} as ln; ln.ULabel.filter(name='x').first()"

    def init(self, storage: str, modules: str | None = None):
        """Create an instance in cwd and return the ready module ``ln``."""
        raise NotImplementedError

    def connect(self):
        """In a process whose cwd has an instance: return ``ln``."""
        raise NotImplementedError

    def cli_init(self, storage: str) -> list[str]:
        raise NotImplementedError

    # -- runs --------------------------------------------------------------
    def track_pipeline(self, ln, key="bench"):
        """Start a global run not bound to a script file."""
        t = ln.Transform(key=key, kind="pipeline").save()
        ln.track(transform=t)
        return ln.context.run

    def script_prelude(self) -> str:
        """Source lines before ``ln.track()`` in a script; must define ``ln``."""
        return f"import {self.module} as ln\n"

    # -- artifacts ---------------------------------------------------------
    def save_path(self, ln, path, key=None, run=None):
        kw = {} if run is None else {"run": run}
        return ln.Artifact(str(path), key=key, **kw).save()

    def new_path(self, ln, path, key=None):
        return ln.Artifact(str(path), key=key)

    def from_dataframe(self, ln, df, **kw):
        f = getattr(ln.Artifact, "from_dataframe", None) or ln.Artifact.from_df
        return f(df, **kw)

    def from_anndata(self, ln, adata, **kw):
        return ln.Artifact.from_anndata(adata, **kw)

    def from_dir_save(self, ln, path):
        """One artifact per file, public bulk route."""
        arts = ln.Artifact.from_dir(str(path))
        ln.save(arts)
        return arts

    def bulk_artifacts(self, ln, rows, label_links):
        """Fastest supported bulk insert of metadata-only artifacts.

        rows: list of (key, size, hash); label_links: list of (row_index, ulabel).
        """
        raise NotImplementedError

    # -- labels / features ---------------------------------------------------
    def bulk_ulabels(self, ln, names):
        ln.save([ln.ULabel(name=x) for x in names])

    def ulabels_from_values(self, ln, names):
        ln.ULabel.from_values(names, create=True).save()

    def cat_feature(self, ln, name, ulabel_type):
        return ln.Feature(name=name, dtype=ulabel_type).save()

    def num_feature(self, ln, name, dtype=float):
        return ln.Feature(name=name, dtype=dtype).save()

    def schema(self, ln, name, features):
        return ln.Schema(name=name, features=features).save()

    def df_curator(self, ln, df, schema):
        return ln.curators.DataFrameCurator(df, schema)

    # -- queries ---------------------------------------------------------------
    def to_df(self, qs, limit=None):
        f = getattr(qs, "to_dataframe", None) or qs.df
        return f() if limit is None else f(limit=limit)

    def to_list(self, qs):
        return list(qs)

    # -- lineage -----------------------------------------------------------------
    def new_run(self, ln, key):
        t = ln.Transform(key=key, kind="pipeline").save()
        return ln.Run(t).save()

    def add_inputs(self, ln, run, artifacts):
        run.input_artifacts.add(*artifacts)

    def lineage(self, ln, artifact):
        """(n_nodes, n_edges) of the full lineage graph, without rendering."""
        raise NotImplementedError


class LaminDB(Backend):
    name = module = "lamindb"

    # LaminDB 2.12 asks the hub whether a *local* instance is registered the first time
    # an artifact is constructed from a path outside storage; offline that raises
    # URLError after ~4 s. Only a private attribute turns it off.
    _OFFLINE = "import lamindb_setup as _s; _s.settings.instance._is_on_hub = False\n"

    def env(self, tmp):
        return {
            "LAMIN_SETTINGS_DIR": str(tmp / "settings"),
            "LAMIN_CACHE_DIR": str(tmp / "cache"),
        }

    def init(self, storage, modules=None):
        import lamindb_setup

        lamindb_setup.init(storage=str(storage), modules=modules)
        lamindb_setup.settings.instance._is_on_hub = False
        return self._quiet(importlib.import_module("lamindb"))

    def connect(self):
        # auto-connects through ./.lamin/current_instance
        ln = importlib.import_module("lamindb")
        import lamindb_setup

        lamindb_setup.settings.instance._is_on_hub = False
        return self._quiet(ln)

    def _quiet(self, ln):
        if not os.environ.get("BENCH_VERBOSE"):
            ln.settings.verbosity = "error"
        return ln

    def cli_init(self, storage):
        import sys

        return [str(Path(sys.executable).parent / "lamin"), "init", "--storage", storage]

    def script_prelude(self):
        return "import lamindb as ln\n" + self._OFFLINE

    def bulk_artifacts(self, ln, rows, label_links):
        # ln.save([Artifact, ...]) saves row by row, so the fastest route is Django's
        # bulk_create on the models (bypasses the constructor)
        from django.db import transaction

        A = ln.Artifact
        storage = ln.Storage.filter().first()
        fields = list(A._meta.concrete_fields)
        from lamindb.base.uids import base62_16

        uid = lambda: base62_16() + "0000"  # noqa: E731
        vals = {
            "is_latest": True,
            "branch_id": 1,
            "created_on_id": 1,
            "space_id": 1,
            "is_locked": False,
            "storage_id": storage.id,
            "suffix": ".parquet",
            "_hash_type": "md5",
            "_key_is_virtual": True,
            "_overwrite_versions": False,
            "created_by_id": 1,
        }
        import datetime as dt

        now = dt.datetime.now(dt.UTC)
        objs = []
        for key, size, hash_ in rows:
            v = dict(
                vals, uid=uid(), key=key, size=size, hash=hash_, created_at=now, updated_at=now
            )
            objs.append(A(*[v.get(f.attname) for f in fields]))
        L = A.ulabels.through
        with transaction.atomic():
            A.objects.bulk_create(objs, batch_size=10000)
            L.objects.bulk_create(
                [
                    L(artifact_id=objs[i].id, ulabel_id=u.id, created_at=now, created_by_id=1)
                    for i, u in label_links
                ],
                batch_size=10000,
            )
        return objs

    def lineage(self, ln, artifact):
        u = artifact.view_lineage(return_graph=True)
        nodes = {x.split(" [")[0].strip() for x in u.body if "->" not in x}
        edges = sum("->" in x for x in u.body)
        return len(nodes), edges


class LaminCore(Backend):
    name = module = "lamin_core"

    def init(self, storage, modules=None):
        ln = importlib.import_module("lamin_core")
        ln.setup.init(storage=str(storage))
        return ln

    def connect(self):
        return importlib.import_module("lamin_core")

    def cli_init(self, storage):
        import sys

        return [str(Path(sys.executable).parent / "lamin"), "init", "--storage", storage]

    def bulk_artifacts(self, ln, rows, label_links):
        # below the public API, as for LaminDB: rows of files that do not exist
        from lamin_core.db import statements
        from lamin_core.models import ArtifactSeries, ArtifactULabel, Content, now
        from lamin_core.runtime import current
        from lamin_core.uids import random_uid

        instance = current.current_instance()
        at, user = now(), instance.user_id
        storage = ln.Storage.get(root=instance.storage).id
        with instance.db.writing() as session:
            ids = [
                statements.reserve(session, kind, len(rows))
                for kind in (ArtifactSeries, Content, ln.Artifact)
            ]
            stems = [random_uid(16) for _ in rows]
            numbered_rows = list(zip(*ids, stems, rows, strict=True))
            statements.insert_rows(
                session,
                ArtifactSeries,
                [
                    {
                        "id": s,
                        "stem": stem,
                        "storage_id": storage,
                        "key": key,
                        "last_observed_at": at,
                    }
                    for s, _, _, stem, (key, _, _) in numbered_rows
                ],
            )
            statements.insert_rows(
                session,
                Content,
                [
                    {"id": c, "hash": hash_, "hash_type": "md5", "size": size}
                    for _, c, _, _, (_, size, hash_) in numbered_rows
                ],
            )
            statements.insert_rows(
                session,
                ln.Artifact,
                [
                    {
                        "id": a,
                        "uid": f"{stem}0000",
                        "series_id": s,
                        "number": 0,
                        "is_latest": True,
                        "storage_id": storage,
                        "key": key,
                        "content_id": c,
                        "suffix": ".parquet",
                        "created_by_id": user,
                        "created_at": at,
                        "origin": "api",
                    }
                    for s, c, a, stem, (key, _, _) in numbered_rows
                ],
            )
            statements.insert_rows(
                session,
                ArtifactULabel,
                [{"artifact_id": ids[2][i], "ulabel_id": label.id} for i, label in label_links],
            )
        return list(ln.Artifact.filter().order_by("id"))

    def lineage(self, ln, artifact):
        graph = artifact.view_lineage(return_graph=True)
        return len(graph.nodes), len(graph.edges)


_B = {"lamindb": LaminDB, "lamin_core": LaminCore}


def get_backend(name: str) -> Backend:
    return _B[name]()
