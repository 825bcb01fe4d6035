"""Jobs on machines that share no files with Snakemake: their files are called by the address in the storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import s3fs

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.storage.hashing import digest
from tests.contract.snakemake.playing import play, write
from tests.support.object_store import KEYS, serving

SNAKEFILE = """
rule all:
    input: "count.txt", local("local.txt")

rule fetch:
    input: storage.http("{web}/raw.csv")
    output: "copy.csv"
    log: "logs/fetch.log"
    benchmark: "fetch.tsv"
    shell: "cp {{input}} {{output}}; echo fetched > {{log}}"

rule count:
    input: "copy.csv"
    output: "count.txt", temp("scratch.txt")
    shell: "wc -l < {{input}} > {{output[0]}}; echo $OPENLINEAGE_PARENT_ID > {{output[1]}}"

rule last:
    input: "scratch.txt", storage.http("{web}/raw.csv")
    output: local("local.txt")
    localrule: True
    shell: "cat {{input}} > {{output}}"
"""
QUEUE = """#!/bin/bash
(mkdir -p node; cp Snakefile node; cd node; bash "$1" >> ../queue.log 2>&1; echo $? > ../q-$$.code) >/dev/null 2>&1 &
echo q-$$
"""
"""Another machine: a folder with nothing in it but the Snakefile."""
STATUS = """#!/bin/bash
case $(cat "$1.code" 2>/dev/null) in "") echo running;; 0) echo success;; *) echo failed;; esac
"""
REMOTELY = (
    *("--executor", "cluster-generic", "--jobs", "2", "--seconds-between-status-checks", "1"),
    *("--cluster-generic-submit-cmd", "./queue.sh", "--cluster-generic-status-cmd", "./status.sh"),
    *("--shared-fs-usage", "none"),
    *("--default-storage-provider", "s3", "--default-storage-prefix", "s3://bucket/run"),
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of files, with one of them."""
    write(tmp_path, "a\n1\n2\n", "web/raw.csv")
    handler = partial(_Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def outputs(rule: str) -> set[str]:
    run = ln.Run.filter(transform__key=f"Snakefile:{rule}").order_by("-id").first()
    assert run is not None
    return {str(artifact.path) for artifact in run.output_artifacts}


def inputs(rule: str) -> set[str]:
    run = ln.Run.filter(transform__key=f"Snakefile:{rule}").order_by("-id").first()
    assert run is not None
    return {str(artifact.path) for artifact in run.input_artifacts}


def test_jobs_on_other_machines_have_the_urls_of_their_files(
    instance: Instance, tmp_path: Path, web: str
) -> None:
    write(tmp_path, SNAKEFILE.format(web=web))
    for name, text in {"queue.sh": QUEUE, "status.sh": STATUS}.items():
        write(tmp_path, text, name).chmod(0o755)
    with serving(tmp_path) as endpoint:
        s3fs.S3FileSystem(endpoint_url=endpoint, key="testing", secret="testing").mkdir("bucket")
        variables = {
            **KEYS,
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": endpoint,
            "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "testing",
            "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "testing",
            "LAMIN_SPOOL": "",
        }
        done = play(tmp_path, *REMOTELY, **variables)
        assert done.code == 0, done.shown + _text(tmp_path / "queue.log")
    s3 = "s3://bucket/run"
    assert {run.status for run in ln.Run.all()} == {"completed"}
    assert (inputs("fetch"), outputs("fetch")) == (
        {f"{web}/raw.csv"},
        {f"{s3}/copy.csv", f"{s3}/logs/fetch.log"},
    )
    assert inputs("count") == {f"{s3}/copy.csv"}
    assert outputs("count") == {f"{s3}/count.txt", f"{s3}/scratch.txt"}
    assert inputs("last") == {f"{s3}/scratch.txt", f"{web}/raw.csv"}
    assert outputs("last") == {str(tmp_path / "local.txt")}
    assert not [a for a in ln.Artifact.all() if ".snakemake" in str(a.path)]
    raw = ln.Artifact.filter(key__endswith="raw.csv", is_latest=True).one()
    assert raw.hash == digest(tmp_path / "web" / "raw.csv").hash  # the local job has read it
    count = ln.Run.filter(transform__key="Snakefile:count").one()
    parent = (tmp_path / "local.txt").read_text().splitlines()[0]
    assert parent == f"snakemake/Snakefile:count/{count.external_id}"
    assert count.details["external_jobid"].startswith("q-")


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
