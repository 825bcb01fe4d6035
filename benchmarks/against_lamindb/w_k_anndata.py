"""(k) from_anndata + save of a 20k x 500 float32 dense AnnData; load; save an existing .h5ad file."""

import time

import harness as h


def run(ctx):
    import anndata as ad
    import numpy as np
    import pandas as pd

    b = ctx.b
    ln = b.init("./st")
    b.track_pipeline(ln)
    N, G = h.n(20000), 500
    rng = np.random.default_rng(0)
    adata = ad.AnnData(
        rng.random((N, G), dtype=np.float32),
        obs=pd.DataFrame(
            {
                "cell_type": pd.Categorical.from_codes(
                    rng.integers(0, 20, N), [f"ct{i}" for i in range(20)]
                )
            },
            index=[f"cell{i}" for i in range(N)],
        ),
        var=pd.DataFrame(index=[f"g{i}" for i in range(G)]),
    )
    p = ctx.tmp / "x.h5ad"
    adata.write_h5ad(p)
    t = time.perf_counter()
    adata.write_h5ad(p)
    floor = time.perf_counter() - t
    adata[:10].copy().write_h5ad(ctx.tmp / "warm.h5ad")
    b.save_path(ln, ctx.tmp / "warm.h5ad", key="warm.h5ad")  # lazy imports
    m = {"floor_write_h5ad_ms": h.ms(floor), "file_mb": round(p.stat().st_size / 1e6, 1)}
    t0 = time.perf_counter()
    a = b.from_anndata(ln, adata, key="x.h5ad")
    t1 = time.perf_counter()
    a.save()
    t2 = time.perf_counter()
    m["from_anndata_ms"], m["save_ms"], m["total_ms"] = h.ms(t1 - t0), h.ms(t2 - t1), h.ms(t2 - t0)
    t = time.perf_counter()
    ln.Artifact.get(a.uid).load()
    m["load_ms"] = h.ms(time.perf_counter() - t)
    t = time.perf_counter()
    ad.read_h5ad(p)
    m["floor_read_h5ad_ms"] = h.ms(time.perf_counter() - t)
    adata.obs["batch"] = "b1"
    adata.write_h5ad(p)
    t = time.perf_counter()
    b.save_path(ln, p, key="y.h5ad")
    m["save_h5ad_path_ms"] = h.ms(time.perf_counter() - t)
    return m


if __name__ == "__main__":
    h.main(__file__, run)
