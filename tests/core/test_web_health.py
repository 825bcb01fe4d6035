"""The page of the instance shows how it is, as `lamin doctor` says it; and how pages are prepared."""

from __future__ import annotations

import pytest

from lamin_core.admin import doctor
from lamin_core.db.database import Database
from lamin_core.instance.instance import Instance
from lamin_core.runtime.paths import spool_folder

pytest.importorskip("prometheus_client", reason="the extra server is not installed")
from lamin_core.server.web.site import warm
from lamin_core.server.web.templates import environment
from tests.support.statements import KEYRING, statements
from tests.support.web_registry import serve


def test_instance_page_shows_quick_checks_with_their_remedies(instance: Instance) -> None:
    client = serve(instance)
    spool_folder().mkdir(parents=True, exist_ok=True)
    waiting = spool_folder() / "events.ndjson"
    for is_waiting in (False, True):
        if is_waiting:
            waiting.write_text("{}")
        with statements(instance.db, without=KEYRING) as sent:
            health = client.get("/instance.json").json()["health"]
        assert len(sent) <= 6
        (spool,) = [row for row in health if row["check"] == "spool"]
        assert spool["status"] == ("warning" if is_waiting else "ok")
    assert "<td>lamin events replay</td>" in client.get("/instance").text
    in_doctor = {finding.check for finding in doctor.examine()}
    assert {row["check"] for row in health} <= in_doctor
    waiting.unlink()


def test_server_prepares_its_pages_and_starts_also_without_its_database(instance: Instance) -> None:
    environment.cache_clear()
    with serve(instance) as client:
        assert client.get("/").status_code == 200
    assert len(environment().cache or ()) > 20
    warm(Database("sqlite:////nowhere/registry.db"))
