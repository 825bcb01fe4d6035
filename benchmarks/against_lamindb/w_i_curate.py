"""(i) DataFrameCurator validate + save_artifact: 100k x 10, two categorical features of 200 labels each."""

import time

import harness as h


def run(ctx):
    import numpy as np
    import pandas as pd

    b = ctx.b
    ln = b.init("./st")
    b.track_pipeline(ln)
    N = h.n(100000)
    rng = np.random.default_rng(0)
    cats = {c: [f"{c}-{i:03d}" for i in range(200)] for c in ("perturbation", "cell_line")}
    df = pd.DataFrame({f"x{i}": rng.normal(size=N) for i in range(8)})
    for c, vals in cats.items():
        df[c] = pd.Categorical.from_codes(rng.integers(0, 200, N), vals)
    t = time.perf_counter()
    for vals in cats.values():
        b.ulabels_from_values(ln, vals)
    feats = [b.num_feature(ln, f"x{i}") for i in range(8)] + [
        b.cat_feature(ln, c, ln.ULabel) for c in cats
    ]
    schema = b.schema(ln, "bench-schema", feats)
    m = {"setup_s": round(time.perf_counter() - t, 3), "rows": N}
    v = []
    for _ in range(3):
        cur = b.df_curator(ln, df, schema)
        t = time.perf_counter()
        cur.validate()
        v.append(time.perf_counter() - t)
    m["validate_ms"] = h.summarize_ms(v)["median_ms"]
    cur = b.df_curator(ln, df, schema)
    with h.count_sql() as c:
        cur.validate()
    m["validate_sql"] = c.summary()["queries"]
    t = time.perf_counter()
    a = cur.save_artifact(key="curated.parquet")
    m["save_after_validate_ms"] = h.ms(time.perf_counter() - t)
    m["n_label_links"] = a.ulabels.count()
    df2 = df.copy()
    df2["x0"] = df2["x0"] + 1
    with h.count_sql() as c:
        t = time.perf_counter()
        b.df_curator(ln, df2, schema).save_artifact(key="curated2.parquet")
        m["full_validate_save_traced_ms"] = h.ms(time.perf_counter() - t)
    m["full_sql"] = c.summary()
    t = time.perf_counter()
    df.to_parquet(ctx.tmp / "raw.parquet")
    m["floor_to_parquet_ms"] = h.ms(time.perf_counter() - t)
    df3 = df.copy()
    df3["perturbation"] = df3["perturbation"].cat.rename_categories({"perturbation-000": "typo"})
    t = time.perf_counter()
    try:
        b.df_curator(ln, df3, schema).validate()
        m["typo"] = "NOT DETECTED"
    except Exception as e:
        m["typo"] = type(e).__name__
    m["typo_ms"] = h.ms(time.perf_counter() - t)
    return m


if __name__ == "__main__":
    h.main(__file__, run)
