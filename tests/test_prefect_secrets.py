"""Secrets in a real Prefect flow reach neither the tables, nor the events, nor an export."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import lamin_core as ln
from lamin_core.instance.instance import Instance
from lamin_core.models import Base
from openlineage.lamin.export.events import export
from openlineage.lamin.receive.rebuild import rebuild

pytest_plugins = ["tests.support.prefect_server"]

SCRIPT = '''
from pathlib import Path
from lamin_prefect import flow, task

# Assembled, so that the source, which is stored, shows what it must not only where a name says so.
SECRET = "sEc" + "ret"

@task(task_run_name=f"fetch with token={SECRET}TaskName1")
def fetch(url: str, settings: dict, api_key: str, command: list[str]) -> Path:
    """Fetch; password: sEcretDocstring1"""
    print(f"printed by the task: password={SECRET}Printed1")
    path = Path("data.csv")
    path.write_text("x")
    return path

@task
def locate() -> list:
    class Remote:
        protocol = "s3"
        path = "bucket/remote.csv"
        exists = None
        def __str__(self) -> str:
            return f"s3://ann:{SECRET}Path1@bucket/remote.csv?X-Amz-Signature={SECRET}Signature1"
    return [Remote(), Path(f"https://ann:{SECRET}Path2@example.org/a.csv")]

@task(retries=1)
def publish(token: str) -> None:
    raise ValueError(
        f"cannot connect to postgresql://me:{SECRET}Error1@db/x with token={SECRET}Error2"
    ) from RuntimeError(f"Authorization: Bearer {SECRET}Cause1")

@flow(log_prints=True, flow_run_name=f"run with password={SECRET}FlowName1")
def main(db_password: str, options: dict) -> None:
    print(f"printed by the flow: token={SECRET}Printed2")
    fetch(
        f"https://ann:{SECRET}Url1@example.org/a.csv",
        {"nested": {"client_secret": f"{SECRET}Nested1"}, "alpha": 12},
        f"{SECRET}Argument1",
        ["run", "--token", f"{SECRET}Option1"],
    )
    locate()
    publish(f"{SECRET}Argument2")

if __name__ == "__main__":
    main(f"{SECRET}Parameter1", {"deep": [{"aws_secret_access_key": f"{SECRET}Parameter2"}]})
'''


def contents(instance: Instance) -> dict[str, str]:
    """The tables of the registry, with the raw events, and the export, as text."""
    texts = {}
    with instance.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(table.select())
            texts[table.name] = "\n".join(str(tuple(row)) for row in rows)
        texts["export"] = "\n".join(export(session))
    return texts


def leaks(texts: dict[str, str]) -> list[tuple[str, str]]:
    """The places with a secret, each with the text around it."""
    result = []
    for name, text in texts.items():
        for match in re.finditer("sEcret", text):
            result.append((name, text[max(0, match.start() - 60) : match.end() + 40]))
    return result


def test_secrets_of_a_prefect_flow_are_not_stored(
    instance: Instance, tmp_path: Path, prefect_environment: dict[str, str]
) -> None:
    Path("script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        env={**os.environ, **prefect_environment},
    )
    assert done.returncode == 1, done.stderr
    assert "sEcretError2" in done.stderr  # the user's own log is not changed
    texts = contents(instance)
    assert leaks(texts) == []
    rebuild(instance.db)
    assert leaks(contents(instance)) == []

    spools = [path for path in tmp_path.rglob("*.ndjson*") if path.is_file()]
    assert leaks({path.name: path.read_text() for path in spools}) == []

    fetch = ln.Run.filter(transform__key__endswith=":fetch").one()
    assert fetch.params["settings"] == {"nested": {"client_secret": "***"}, "alpha": 12}
    assert fetch.params["command"] == ["run", "--token", "***"]
    assert fetch.params["url"] == "https://ann:***@example.org/a.csv"
    assert [artifact.key for artifact in fetch.output_artifacts.all()] == ["data.csv"]
    locate = ln.Run.filter(transform__key__endswith=":locate").one()
    (remote,) = locate.output_artifacts.all()
    assert remote.key.endswith("remote.csv")
    assert "cannot connect to postgresql://me:***@db/x with token=***" in texts["export"]
