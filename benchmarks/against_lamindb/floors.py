"""Machine floors: what the disk, SQLite, hashing and Python itself cost here. Prints one JSON object.

python floors.py            (optional: `pip install blake3 xxhash` for those rows)
"""

import hashlib
import json
import os
import shutil
import sqlite3
import statistics as st
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MB = int(os.environ.get("FLOOR_MB", "1024"))
tmp = Path(tempfile.mkdtemp(prefix="floor-", dir=os.environ.get("BENCH_TMP")))
R = {}


def med(f, k=3):
    xs = []
    for _ in range(k):
        t = time.perf_counter()
        f()
        xs.append(time.perf_counter() - t)
    return st.median(xs)


def sqlite_commit(mode, sync, n=300):
    p = tmp / f"{mode}{sync}.db"
    c = sqlite3.connect(p, isolation_level=None)
    c.execute(f"pragma journal_mode={mode}")
    c.execute(f"pragma synchronous={sync}")
    c.execute(
        "create table a(id integer primary key, uid text unique, key text, hash text, size int, created_at text)"
    )
    c.execute("create index k on a(key)")
    c.execute("create index h on a(hash)")
    xs = []
    for i in range(n):
        t = time.perf_counter()
        c.execute("begin immediate")
        c.execute(
            "insert into a(uid,key,hash,size,created_at) values(?,?,?,?,?)",
            (f"u{i}", f"k/{i}", f"h{i}", i, "2026"),
        )
        c.execute("commit")
        xs.append(time.perf_counter() - t)
    c.close()
    return round(st.median(xs) * 1e3, 4)


R["sqlite_version"] = sqlite3.sqlite_version
for mode, sync in (("delete", "full"), ("wal", "full"), ("wal", "normal")):
    R[f"insert_commit_ms_{mode}_{sync}"] = sqlite_commit(mode, sync)
c = sqlite3.connect(tmp / "bulk.db", isolation_level=None)
c.execute("pragma journal_mode=wal")
c.execute("pragma synchronous=normal")
c.execute(
    "create table a(id integer primary key, uid text unique, key text, hash text, size int, created_at text)"
)
c.execute("create index k on a(key)")
c.execute("create index h on a(hash)")
t = time.perf_counter()
c.execute("begin")
c.executemany(
    "insert into a(uid,key,hash,size,created_at) values(?,?,?,?,?)",
    (
        (os.urandom(10).hex(), f"proj{i % 50:02d}/f{i}", os.urandom(11).hex(), i, "2026")
        for i in range(50000)
    ),
)
c.execute("commit")
R["bulk_insert_us_per_row_50k"] = round((time.perf_counter() - t) / 50000 * 1e6, 2)
R["select_by_key_us"] = round(
    med(lambda: c.execute("select * from a where key=?", ("proj07/f7",)).fetchall(), 201) * 1e6, 1
)
R["select_prefix_1000_ms"] = round(
    med(
        lambda: c.execute(
            "select * from a where key>=? and key<?", ("proj07/", "proj070")
        ).fetchall(),
        21,
    )
    * 1e3,
    3,
)
R["select_like_scan_50k_ms"] = round(
    med(lambda: c.execute("select count(*) from a where key like '%f123%'").fetchall(), 11) * 1e3, 3
)
c.close()

# lineage floor: one recursive CTE upstream over a 300-step chain, and over a ladder of 100 diamonds
c = sqlite3.connect(":memory:")
for name, edges in (
    ("chain300", [(i, i + 1) for i in range(600)]),
    (
        "ladder100",
        [
            e
            for k in range(100)
            for e in (
                (3 * k, 3 * k + 1),
                (3 * k, 3 * k + 2),
                (3 * k + 1, 3 * k + 3),
                (3 * k + 2, 3 * k + 3),
            )
        ],
    ),
):
    c.execute(f"create table {name}(src int, dst int, primary key(dst, src)) without rowid")
    c.executemany(f"insert into {name} values(?,?)", edges)
    top = max(d for _, d in edges)
    q = f"with recursive up(n) as (select ? union select src from {name} join up on dst = n) select e.src, e.dst from {name} e join up on e.dst = up.n"
    R[f"lineage_cte_{name}_ms"] = round(med(lambda: c.execute(q, (top,)).fetchall(), 21) * 1e3, 3)
c.close()

# 8 writers, one row per transaction, WAL + synchronous=NORMAL + BEGIN IMMEDIATE
p = tmp / "conc.db"
c = sqlite3.connect(p)
c.execute("pragma journal_mode=wal")
c.execute("create table a(id integer primary key, uid text unique, key text)")
c.commit()
c.close()
code = """
import sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
c.execute("pragma synchronous=normal")
while time.time() < float(sys.argv[3]): pass
t = time.perf_counter()
for i in range(200):
    c.execute("begin immediate"); c.execute("insert into a(uid,key) values(?,?)", (f"{sys.argv[2]}-{i}", "k")); c.execute("commit")
print(time.perf_counter() - t)
"""
go = time.time() + 1.5
ps = [
    subprocess.Popen(
        [sys.executable, "-c", code, str(p), str(w), str(go)], stdout=subprocess.PIPE, text=True
    )
    for w in range(8)
]
walls = [float(x.communicate()[0]) for x in ps]
R["concurrent_8x200_wal_rows_per_s"] = round(1600 / max(walls))
c = sqlite3.connect(p)
R["concurrent_8x200_wal_lost"] = 1600 - c.execute("select count(*) from a").fetchone()[0]
c.close()

fd = os.open(tmp / "fs", os.O_CREAT | os.O_WRONLY)


def fs():
    os.write(fd, b"x" * 4096)
    os.fsync(fd)


R["fsync_4k_ms"] = round(med(fs, 100) * 1e3, 3)
os.close(fd)

src = tmp / "big"
blk = os.urandom(1 << 20)
with open(src, "wb") as f:
    for i in range(MB):
        f.write(i.to_bytes(8, "big") + blk[8:])
os.sync()


def speed(f, k=3):
    return round(MB / med(f, k))


def hl(name):
    def f():
        with open(src, "rb") as fp:
            hashlib.file_digest(fp, name)

    return f


for a in ("md5", "sha1", "sha256", "blake2b"):
    R[f"py_{a}_mb_s"] = speed(hl(a))
if shutil.which("openssl"):
    R["openssl_md5_mb_s"] = speed(
        lambda: subprocess.run(["openssl", "md5", str(src)], capture_output=True, check=True)
    )
try:
    import blake3

    for thr, name in ((1, "blake3_1thread"), (blake3.blake3.AUTO, "blake3_auto")):
        R[f"py_{name}_mb_s"] = speed(
            lambda: blake3.blake3(max_threads=thr).update_mmap(src).digest()
        )
except ImportError:
    pass
try:
    import xxhash

    def xx():
        x = xxhash.xxh3_128()
        with open(src, "rb") as fp:
            while b := fp.read(1 << 20):
                x.update(b)

    R["py_xxh3_128_mb_s"] = speed(xx)
except ImportError:
    pass
dst = tmp / "copy"


def rm(f):
    def g():
        if dst.exists():
            dst.unlink()
        f()

    return g


R["shutil_copyfile_mb_s"] = speed(rm(lambda: shutil.copyfile(src, dst)))
R["cp_mb_s"] = speed(rm(lambda: subprocess.run(["cp", str(src), str(dst)], check=True)))
dst.unlink()
r = subprocess.run(["cp", "--reflink=always", str(src), str(dst)], capture_output=True, text=True)
R["reflink"] = "yes" if r.returncode == 0 else "no: " + r.stderr.strip().split(":")[-1].strip()
dst.unlink(missing_ok=True)
t = time.perf_counter()
os.link(src, dst)
R["hardlink_us"] = round((time.perf_counter() - t) * 1e6)
dst.unlink()


def hash_and_copy():
    """single pass: read once, hash and write the same buffer"""
    x = hashlib.md5()
    with open(src, "rb", buffering=0) as a, open(dst, "wb", buffering=0) as o:
        buf = bytearray(4 << 20)
        mv = memoryview(buf)
        while k := a.readinto(buf):
            x.update(mv[:k])
            o.write(mv[:k])


R["py_md5_plus_copy_one_pass_mb_s"] = speed(rm(hash_and_copy))

d = tmp / "files"
d.mkdir()
for i in range(2000):
    (d / f"{i}").write_bytes(os.urandom(4096))
paths = sorted(d.iterdir())
R["md5_2000x4k_ms"] = round(
    med(lambda: [hashlib.md5(p.read_bytes()).digest() for p in paths]) * 1e3, 1
)


def cptree():
    shutil.rmtree(tmp / "files2", ignore_errors=True)
    t = time.perf_counter()
    shutil.copytree(d, tmp / "files2")
    xs.append(time.perf_counter() - t)


xs: list = []
for _ in range(3):
    cptree()
R["copytree_2000x4k_ms"] = round(st.median(xs) * 1e3, 1)


def spawn(code):
    return round(
        med(lambda: subprocess.run([sys.executable, "-c", code], capture_output=True), 7) * 1e3, 1
    )


R["python_pass_ms"] = spawn("pass")
for mod in (
    "sqlite3",
    "sqlalchemy",
    "sqlalchemy.orm",
    "fsspec",
    "numpy",
    "pandas",
    "pyarrow",
    "anndata",
    "django",
    "pydantic",
):
    v = spawn(f"import {mod}")
    if subprocess.run([sys.executable, "-c", f"import {mod}"], capture_output=True).returncode == 0:
        R[f"import_{mod}_ms"] = v
shutil.rmtree(tmp, ignore_errors=True)
print(json.dumps(R, indent=1))
