"""`lamin ui`: the pages alone, for this machine; `lamin serve`: the pages beside the endpoint."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from lamin_core.instance.instance import Instance
from lamin_core.server.web.site import PAGES
from tests.support.servers import EVENT, ask


@pytest.fixture
def ui(instance: Instance) -> Iterator[subprocess.Popen[str]]:
    """The command, ended as by Ctrl-C."""
    command = [sys.executable, "-m", "lamin_core", "ui", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert process.stdout is not None
    process.stdout.close()


def test_ui_prints_its_url_and_serves_pages_but_no_events(
    ui: subprocess.Popen[str], instance: Instance
) -> None:
    assert ui.stdout is not None
    url = urlsplit(ui.stdout.readline().strip())
    assert url.hostname == "127.0.0.1"
    assert url.port is not None
    status, page = ask(url.port, "GET", "/", None, {})
    assert status == 200
    assert 'data-stream="/api/v1/runs/stream' in page
    assert ask(url.port, "GET", "/api/v1/runs", None, {})[0] == 200
    assert ask(url.port, "POST", EVENT, b"{}", {})[0] in (404, 405)
    assert ask(url.port, "POST", "/runs", b"{}", {})[0] == 405


def test_pages_have_no_path_of_the_api() -> None:
    assert [
        page.path for page in PAGES if page.path.startswith(("/api", "/metrics", "/healthz"))
    ] == []
    assert len({page.path for page in PAGES}) == len(PAGES)
