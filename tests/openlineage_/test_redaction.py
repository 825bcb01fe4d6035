"""Secrets never reach an event, wherever they were planted; what is no secret does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.runtime.redaction import redact_text
from openlineage.lamin.emit import events
from openlineage.lamin.emit.redaction import redact_entry
from openlineage.lamin.emit.sinks import serialize
from openlineage.lamin.export.events import export

from .conftest import at, run_of

# Each as it is found in the wild: by the name of the value, or by its shape.
NAMED = {
    "password": "hunter2hunter2",
    "db_passwd": "pa55word!!",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "api_key": "k-1234567890",
    "authToken": "tok-abcdef-123456",
    "client_credential": "cred-xyz-987654",
}
SHAPED = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.s5Z1-abcdefgh",
    "dsn": "postgresql://me:s3cr3tpw@db:5432/x",
    "option": "run.sh --password=opensesame --token abracadabra9",
    "google": "AIza" + "Sy0aB-" * 5 + "abcde",
    "slack": "xoxb-123456789012-abcdefGHIJ",
    "header": "curl -H 'Authorization: Bearer abc.def-123456'",
    "shell": "export AWS_SECRET_ACCESS_KEY=wJalrXUt/nFEMIplain",
    "code": 'password = "hunter3!x"; settings = {"api_key": \'kk-99887766\'}',
    "key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAsecretbytes\n-----END RSA PRIVATE KEY-----",
}
SECRETS = [
    *NAMED.values(),
    *(SHAPED[name] for name in ("aws", "github", "jwt", "google", "slack")),
    *("abc.def-123456", "wJalrXUt/nFEMIplain", "hunter3!x", "kk-99887766"),
    *("s3cr3tpw", "opensesame", "abracadabra9", "MIIEpAIBAAKCAQEAsecretbytes"),
]


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def planted() -> str:
    """All of them in one text, as a script or a message may hold them."""
    return "\n".join(SHAPED.values())


def test_adapter_events_contain_no_planted_secret() -> None:
    params = {
        **NAMED,
        **SHAPED,
        "nested": [{"deep": NAMED}, {"list": list(SHAPED.values())}],
        "plain": "visible",
    }
    run = run_of(
        1, "a", params=params, details={"env": NAMED, "command": planted(), "kept": "visible too"}
    )
    job = events.Job("test", "b", "rule", source=f"import os\n{planted()}", language="python")
    emitted = [
        events.start(run, at(0)),
        events.fail(run, at(1), f"it failed: {planted()}", trace=f"Traceback\n{planted()}"),
        events.abort(run, at(1), planted()),
        events.declare(job, at(2)),
        events.start(events.Run(run.id, job, "test", "1"), at(3)),
    ]
    texts = [serialize(event).decode() for event in emitted]
    assert [secrets_in(text) for text in texts] == [[]] * len(texts)
    assert "visible too" in texts[0]
    assert json.loads(texts[0])["run"]["facets"]["lamin_run"]["params"]["plain"] == "visible"
    assert "import os" in texts[3]


@pytest.mark.parametrize(
    "code",
    [
        'sep_token = "<sep>"',
        "token = tokenizer(text)",
        "TOKEN=$CI_TOKEN run",
        'password = f"{prompt}"',
        "secretary = 3",
    ],
)
def test_code_without_a_secret_is_unchanged(code: str) -> None:
    assert redact_text(code) == code


def test_export_of_a_tracked_run_contains_no_planted_secret(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NAMED.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("LAMIN_INSTANCE", str(in_tmp_path))
    instance = ln.setup.init("./data", path=in_tmp_path)
    with (
        pytest.raises(ValueError, match="it failed"),
        ln.run("a", params={**NAMED, **SHAPED, "plain": "visible"}),
    ):
        raise ValueError(f"it failed: {planted()}")
    ln.Transform(key="b", source_code=f"import os\n{planted()}").save()
    with instance.db.reading() as session:
        lines = list(export(session))
    ln.setup.disconnect()
    instance.db.dispose()
    assert len(lines) >= 3
    assert [secrets_in(line) for line in lines] == [[]] * len(lines)
    assert any('"visible"' in line for line in lines)


def test_events_of_a_run_are_masked_once_and_changed_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masked: list[str] = []

    def counted(name: str, value: object) -> object:
        masked.append(name)
        return redact_entry(name, value)

    monkeypatch.setattr(events, "redact_entry", counted)
    run = run_of(1, "a", run_of(2, "flow"), params={"token": "hunter2hunter2"})
    first = events.start(run, at(0))
    first["run"]["facets"]["lamin_run"]["name"] = "another"
    first["job"]["facets"].clear()
    last = events.complete(run, at(1))
    assert sorted(masked) == ["details", "parameters", "params"]
    assert last["run"]["facets"]["lamin_run"].get("name") == run.name
    assert last["job"]["facets"]["jobType"]["jobType"]
    assert not secrets_in(json.dumps(last))
