"""Secrets are masked by name and by shape, harmless texts stay, and no text takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lamin_core.redaction import redact, redact_command, redact_file, redact_text
from lamin_core.runtime.secret_names import is_secret
from lamin_core.runtime.url_credentials import shows_secret, without_credentials
from tests.support.redaction_corpus import harmless, plants

ROOT = Path(__file__).parents[2]
VECTORS = json.loads(
    (ROOT / "tests" / "support" / "redaction_vectors.json").read_text(encoding="utf-8")
)


def test_redact_text_masks_as_in_the_vectors() -> None:
    texts = [text for text, _ in VECTORS["texts"]]
    masked = [expected for _, expected in VECTORS["texts"]]
    assert [redact_text(text) for text in texts] == masked
    assert [redact_text(text) for text in masked] == masked


def test_is_secret_recognizes_the_names_in_the_vectors() -> None:
    assert [name for name in VECTORS["secret_names"] if not is_secret(name)] == []
    assert [name for name in VECTORS["harmless_names"] if is_secret(name)] == []


def test_redact_text_masks_99_percent_of_the_corpus() -> None:
    planted = plants()
    assert len(planted) == 300
    leaks = [plant.text for plant in planted if plant.secret in redact_text(plant.text)]
    assert len(leaks) <= 3, leaks


@pytest.mark.parametrize("name", VECTORS["secret_names"])
def test_secret_name_is_masked_as_parameter_option_and_assignment(name: str) -> None:
    secret = "sEcret0123"
    assert redact({name: secret}) == {name: "***"}
    options = [
        f"--{name} {secret}",
        f"--{name}={secret}",
        f"run --config {name}={secret} alpha=1",
        f'"{name}": "{secret}"',
    ]
    assert [text for text in options if secret in redact_text(text)] == []
    assert secret not in redact_command(["run", f"--{name}", f"{secret} and more"])


def test_redact_text_changes_less_than_1_percent_of_harmless_texts() -> None:
    texts = harmless()
    assert len(texts) >= 500
    changed = [text for text in texts if redact_text(text) != text]
    assert len(changed) < len(texts) / 100, changed


def test_adversarial_texts_take_linear_time() -> None:
    """50,000 characters of each take some seconds together; with one quadratic pattern they take minutes."""
    command = [sys.executable, str(ROOT / "benchmarks" / "redaction.py"), "5000", "50000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["adversarial"]) > 40


def test_redact_leaves_other_types_and_harmless_numbers() -> None:
    values = {
        "alpha": 0.1,
        "flag": True,
        "none": None,
        "n_tokens": 512,
        "token": 3,
        "password": 12345,
    }
    assert redact(values) == values | {"password": "***"}


def test_redact_masks_deeply_nested_values() -> None:
    value: object = {"password": "hunter2x"}
    for _ in range(500):
        value = [value]
    assert "hunter2x" not in json.dumps(redact(value))


def test_redact_file_masks_a_log_of_several_chunks(tmp_path: Path) -> None:
    log = tmp_path / "run.txt"
    line = b"nothing to see here \xff\n"
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"sEcretBytes\n" * 20 + b"-----END PRIVATE KEY-----\n"
    log.write_bytes((line * 45_000 + key + b"password=sEcret01\n") * 3 + b"--token sEcret02")
    redact_file(log)
    text = log.read_bytes()
    assert b"sEcret" not in text
    assert text.count(line) == 3 * 45_000
    assert log.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [log]


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("postgres://ann:s@db:5432", "postgres://db:5432"),
        ("postgres://ann@db:5432", "postgres://db:5432"),
        ("s3://bucket", "s3://bucket"),
        ("abfss://raw@lake.net", "abfss://raw@lake.net"),
        ("sftp://ann@host/a", "sftp://ann@host/a"),
        ("sftp://ann:s@host/a", "sftp://host/a"),
        ("jdbc:postgresql://h/db?user=ann&password=s&ssl=true", "jdbc:postgresql://h/db?ssl=true"),
        ("docker://ubuntu:22.04@sha256:ab", "docker://ubuntu:22.04@sha256:ab"),
        ("table/token=abc/part.parquet", "table/token=abc/part.parquet"),
    ],
)
def test_without_credentials_leaves_the_identifying_parts(name: str, public: str) -> None:
    assert without_credentials(name) == public
    assert without_credentials(public) == public


def test_shows_secret_distinguishes_url_options_from_folder_names() -> None:
    open_urls = [
        "s3://bucket/token=abc/part.parquet",
        "https://h/a.csv?download=1",
        "s3://b/password.csv",
        "sftp://me@h/a",
    ]
    assert [url for url in open_urls if shows_secret(url)] == []
    telling = [
        "s3://k:s@b/x",
        "https://h/a?token=x",
        "https://h/a?X-Amz-Signature=s",
        "mssql://h;password=x",
        "s3://b/ghp_0a1B2c3D4e5F6g7H8i9J0",
    ]
    assert [url for url in telling if not shows_secret(url)] == []


def test_redact_leaves_pinned_package_versions() -> None:
    versions = {"pin": 1.2, "numpy_pin": "1.26.4", "args": ["pin=1.2", "--pin", "2.0"]}
    assert redact(versions) == versions
    assert redact({"pin": "4711", "args": ["pin=4711"], "password": 1.2}) == {
        "pin": "***",
        "args": ["pin=***"],
        "password": "***",
    }


def test_redact_masks_only_secret_like_values_under_ambiguous_names() -> None:
    values = {
        "tokens": ["abc1xyz9", "the", "cat"],
        "pin": 4711,
        "secretKey": 123,
        "pin_memory": True,
    }
    assert redact(values) == {
        "tokens": ["***", "the", "cat"],
        "pin": "***",
        "secretKey": "***",
        "pin_memory": True,
    }
    assert redact(["--tokens=the cat", "sat"]) == ["--tokens=the cat", "sat"]
