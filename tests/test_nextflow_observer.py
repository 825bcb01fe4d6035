"""The parts of the observer say what their Python models say: hashes, identities, names, redaction, JSON."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from lamin_core.runtime.parent_context import parent_from_environment
from lamin_core.runtime.paths import database_folder, user_spool
from lamin_core.runtime.redaction import redact, redact_text
from lamin_core.runtime.secret_names import is_secret
from lamin_core.runtime.set_aside import aside_files
from lamin_core.storage.hashing import digest
from lamin_core.uids import derived_run_id, run_uid
from lamin_nextflow import build, jar_cache
from lamin_nextflow.java import find_java
from openlineage.lamin.emit.acknowledgement import missing_acknowledgement
from openlineage.lamin.emit.default_sink import default_sink, destinations, registry_key
from openlineage.lamin.emit.naming import dataset_name
from openlineage.lamin.emit.sinks import Destination, MemorySink
from openlineage.lamin.emit.spool import Drained, drain, key_of
from tests.contract.nextflow.playing import CACHE, SHORT_LIVED, Event
from tests.openlineage_.test_endpoint import ACKNOWLEDGED, UNACKNOWLEDGED
from tests.support.receivers import (
    ENDLESS,
    Receiver,
    misbehaving,
    receiving,
    takes_everything,
    without_batches,
)
from tests.support.redaction_corpus import plants

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks the observer's classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        classes, jar = tmp_path_factory.mktemp("classes"), build.observer_jar()
        build.compile_java(build.SOURCE.glob("test/**/*.java"), classes, [jar])
        nextflow = jar_cache.jars(build.COMPILED_AGAINST)
    path = os.pathsep.join([str(classes), str(jar), str(nextflow / "*")])
    java = find_java(11, 99)

    def answer(word: str, *arguments: object) -> Any:
        command = [
            str(java),
            SHORT_LIVED,
            "-cp",
            path,
            "lamin.nextflow.Probe",
            word,
            *map(str, arguments),
        ]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return answer


def test_blake3_equals_the_python_implementation(ask: Ask, tmp_path: Path) -> None:
    sizes = [
        0,
        1,
        63,
        64,
        65,
        1023,
        1024,
        1025,
        2047,
        2048,
        2049,
        3072,
        4096,
        5121,
        100_000,
        3_000_000,
    ]
    files = [tmp_path / str(size) for size in sizes]
    for size, file in zip(sizes, files, strict=True):
        file.write_bytes(
            (b"some bytes that repeat with a prime period \n" * (size // 40 + 1))[:size]
        )
    assert ask("blake3", *files) == [blake3(file.read_bytes()).hexdigest() for file in files]
    assert ask("piecewise", files[-2]) == blake3(files[-2].read_bytes()).hexdigest()


def test_digests_of_files_and_folders_equal_those_of_python(ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    for name in ("b", "a/z", "a/é", "a.b", "A", "a/deep/er/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name * 1000)
    (folder / "link").symlink_to(folder / "b")
    (folder / "up").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "no such file")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    paths = [folder, tmp_path / "empty", folder / "link", folder / "A"]
    expected = [[d.hash_type, d.hash, d.size, d.n_files] for d in map(digest, paths)]
    assert ask("digest", *paths, tmp_path / "pipe", tmp_path / "missing") == [*expected, None, None]


def test_derived_run_ids_equal_those_of_python(ask: Ask) -> None:
    for parts in (
        ("nextflow", "170aa09c-105f-49d0-99b4-8eb6a146e4a7", "mad_euler"),
        ("é", "", "1"),
        ("one",),
    ):
        assert ask("run-id", *parts) == derived_run_id(*parts)
    run_id = derived_run_id("x")
    assert ask("run-uid", run_id) == run_uid(run_id)


def test_redaction_of_texts_and_values_equals_that_of_python(ask: Ask, tmp_path: Path) -> None:
    text = (
        "postgresql://me:hunter2@db/x --token=abc --my-api-key k AKIAABCDEFGHIJKLMNOP ghp_"
        + "a" * 36
        + " eyJhbGciOiJI.eyJzdWIiOiIx.sig-_x\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n"
        "password = 'hunter3!x' sep_token=\"<sep>\" export DB_PASSWORD=x1y2 TOKEN=$CI\nAuthorization: Bearer abcdefgh\n"
        'AIzaSy0aB-Sy0aB-Sy0aB-Sy0aB-Sy0aB-abcde xoxb-123456789012-abc "api_key": "k-12345"\n'
        "é-----BEGIN PRIVATE KEY-----\nnever ended $1 \\ nothing secret: tokenizer"
    )
    (tmp_path / "text").write_text(text)
    values = {
        "text": text,
        "my_Password": "secret",
        "apikey": "",
        "nested": [{"AWS_ACCESS_KEY": "x", "plain": 3}],
    }
    assert ask("redact", tmp_path / "text") == redact(values)


def test_dataset_names_of_urls_equal_those_of_python(ask: Ask, tmp_path: Path) -> None:
    urls = [
        "/a/./b/../c.txt",
        "file:///a//b.txt",
        "s3://bucket/some/key.txt",
        "s3a://bucket/key",
        "gcs://bucket/k",
        "https://host:8080/a/b.fa.gz",
        "az://container/blob",
        "ftp://host/x",
    ]
    assert [tuple(each) for each in ask("names", *urls)] == [dataset_name(url) for url in urls]
    assert ask("names", "s3:///bucket/key") == [
        ["s3://bucket", "key"]
    ]  # as old versions of Nextflow spell it


def test_repository_is_named_by_owner_and_name(ask: Ask) -> None:
    repositories = [
        "https://github.com/nextflow-io/hello",
        "https://host.org/group/sub/rnaseq.git",
        "git@host.org:lab/prep.git",
        "file:/data/repositories/lab/prep",
    ]
    assert ask("slugs", *repositories) == [
        "nextflow-io/hello",
        "sub/rnaseq",
        "lab/prep",
        "lab/prep",
    ]


def test_parent_from_the_environment_equals_that_of_python(ask: Ask) -> None:
    for value in (
        "snakemake/wf/Snakefile:map/0194e0a0",
        "a/b/c",
        "a/b",
        "",
        "a/",
        "nothing",
        "a/b/",
    ):
        parent = parent_from_environment({"OPENLINEAGE_PARENT_ID": value})
        answer = ask("parent", value)
        assert (tuple(answer) if answer else None) == (
            parent and (parent.namespace, parent.name, parent.run_id)
        )


def test_any_text_survives_json(ask: Ask) -> None:
    values = ask("json")
    assert values["controls"] == "".join(map(chr, [*range(0x21), 0x7F, 0x80]))
    assert values['quotes " and \\'] == "\" \\ / ' </script>"
    assert values["unicode"] == "\u00e9 \u2028 \U0001f600"
    assert values["lone surrogate"] == "a\ud800b"
    assert values["numbers"] == [1, -2, 0.5, 1e300, 1000, "NaN", "Infinity"]
    assert values["empty"] == [None, True, {}, [], ""]
    assert values["anything"] == "text"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("theirs", [".lamin", ".lamin/spool"])
def test_instance_of_another_user_is_not_used_for_the_spool(
    ask: Ask, in_tmp_path: Path, theirs: str
) -> None:
    (in_tmp_path / ".lamin" / "spool").mkdir(parents=True)
    assert ask("spool") == str(in_tmp_path / ".lamin" / "spool")
    os.chown(theirs, 65_534, 65_534)
    assert ask("spool") == str(user_spool())
    os.environ["LAMIN_INSTANCE"] = str(in_tmp_path)  # named
    assert ask("spool") == str(in_tmp_path / ".lamin" / "spool")


def test_redaction_vectors_and_corpus_are_masked_as_in_python(ask: Ask, tmp_path: Path) -> None:
    vectors = json.loads(
        (Path(__file__).parent / "support" / "redaction_vectors.json").read_text(encoding="utf-8")
    )
    texts = [text for text, _ in vectors["texts"]]
    planted = plants()
    texts += [plant.text for plant in planted]
    (tmp_path / "texts").write_text("\0".join(texts), encoding="utf-8")
    masked = ask("texts", tmp_path / "texts")
    assert masked == [redact_text(text) for text in texts]
    assert masked[: len(vectors["texts"])] == [expected for _, expected in vectors["texts"]]
    leaks = [
        plant.text
        for plant, text in zip(planted, masked[-len(planted) :], strict=True)
        if plant.secret in text
    ]
    assert len(leaks) <= 3, leaks
    names = [*vectors["secret_names"], *vectors["harmless_names"]]
    assert ask("secret-names", *names) == [is_secret(name) for name in names]


@pytest.mark.parametrize(
    "part", ["-", "--a", "eyJaaaaaaaa.", 'password="', "curl -u ", "password=,,,,,", "token   "]
)
def test_redaction_takes_linear_time_in_java(ask: Ask, part: str) -> None:
    """A quadratic pattern takes minutes for this many characters, and a recursive one overflows the stack."""
    assert ask("redaction-time", part, 200_000) < 60_000


def test_dataset_names_contain_no_credentials(ask: Ask) -> None:
    urls = [
        "sftp://me:pw@host/a",
        "sftp://me@host/a",
        "https://me:pw@host:8080/a.gz?X-Amz-Signature=s",
        "abfss://c@h/x",
    ]
    assert [tuple(each) for each in ask("names", *urls)] == [dataset_name(url) for url in urls]


def test_acknowledgements_are_judged_as_in_python(ask: Ask, tmp_path: Path) -> None:
    arguments: list[object] = []
    for number, (status, body) in enumerate(ACKNOWLEDGED):
        file = tmp_path / f"yes{number}"
        file.write_bytes(body)
        arguments += [status, file]
    assert ask("acknowledged", *arguments) == [None] * len(ACKNOWLEDGED)
    arguments = []
    expected = []
    for number, (status, body, _) in enumerate(UNACKNOWLEDGED):
        file = tmp_path / f"no{number}"
        file.write_bytes(body)
        arguments += [status, file]
        expected.append(missing_acknowledgement(status, body, "http://elsewhere/"))
    assert ask("acknowledged", *arguments) == expected


@pytest.mark.parametrize("how", ENDLESS)
def test_endless_answer_costs_the_observer_little_memory_and_time(ask: Ask, how: str) -> None:
    with misbehaving(how) as url:
        problem, milliseconds, megabytes = ask("post", url, "")
    assert problem
    assert milliseconds < 10_000  # without an end of patience it never comes
    assert megabytes < 100


def test_observer_sends_no_blank_key_and_strips_whitespace(ask: Ask) -> None:
    with receiving() as receiver:
        assert ask("post", receiver.url, " ")[0] is None
        assert ask("post", receiver.url, " s3cret\n")[0] is None
    headers = [headers.get("Authorization") for _, _, headers in receiver.requests]
    assert headers == [None, "Bearer s3cret"]


def test_observer_follows_no_redirect_and_refuses_html_answers(ask: Ask) -> None:
    for status, body, problem in UNACKNOWLEDGED:
        with receiving(lambda *_, answer=(status, body): answer) as receiver:
            message = ask("post", receiver.url, "")[0]
        assert problem in message
        assert "set OPENLINEAGE_URL" in message
        assert len(receiver.requests) == 1


def numbers(receiver: Receiver) -> list[int]:
    return [event["number"] for event in receiver.events]


def test_observer_retries_a_slow_or_failing_receiver(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    answers = iter([(503, b"come again", 0), (500, b"", 0), (200, b"{}", 2)])

    def answer(*_: object) -> tuple[int, bytes]:
        status, text, seconds = next(answers, (200, b"{}", 0))
        time.sleep(seconds)
        return status, text

    with receiving(answer) as receiver:
        longest = ask("deliver", receiver.url, 5)
    assert numbers(receiver) == [0, 1, 2, 3, 4]
    assert not (tmp_path / "spool").exists()
    assert longest < 1_000  # no hook waits, not even while an answer takes 2 s


def test_observer_waits_for_the_seconds_of_retry_after(ask: Ask) -> None:
    arrivals: list[float] = []

    class Busy(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            arrivals.append(time.monotonic())
            self.send_response(429 if len(arrivals) == 1 else 200)
            if len(arrivals) == 1:
                self.send_header("Retry-After", "3")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ask("deliver", f"http://127.0.0.1:{server.server_port}", 1)
        server.shutdown()
    assert len(arrivals) == 2
    assert arrivals[1] - arrivals[0] >= 3


def test_observer_loses_nothing_when_its_receiver_is_restarted(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    with receiving() as first, ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(ask, "deliver", first.url, 60)
        first.wait_for(5, 60)
        first.stop()
        time.sleep(1)
        with receiving(port=first.port) as second:
            delivery.result()
    assert set(numbers(first) + numbers(second)) == set(range(60))
    assert not (tmp_path / "spool").exists()


def test_observer_hashes_no_file_above_the_limit(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    small, large = tmp_path / "small", tmp_path / "folder" / "large"
    small.write_bytes(b"x" * 10)
    large.write_bytes(b"x" * 11)
    monkeypatch.setenv("LAMIN_NEXTFLOW_HASH_LIMIT", "10")
    (small_digest, large_digest, folder) = ask("digest", small, large, tmp_path / "folder")
    assert small_digest[1] == digest(small).hash
    assert large_digest == [None, None, 11, None]
    assert folder is None
    monkeypatch.setenv("LAMIN_NEXTFLOW_HASH_LIMIT", "0")
    assert ask("digest", small) == [[None, None, 10, None]]


def spooled_numbers(spool: Path) -> list[int]:
    return [
        json.loads(line)["number"]
        for file in sorted(spool.glob("*.ndjson"))
        for line in file.read_text().splitlines()
    ]


def test_spool_segments_are_named_as_in_python(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path
) -> None:
    """Check the names of segments, so that a later run in either language delivers what the other left."""
    names = ["", "a", "x" * 127, "y" * 128, "z" * 129, "instance /data/é/.lamin"]
    assert ask("keys", *names) == [key_of(Destination(name, MemorySink)) for name in names]
    monkeypatch.delenv("LAMIN_INSTANCE", raising=False)
    for url in ("", "http://127.0.0.1:1/", "http://127.0.0.1:1/base//"):
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        assert ask("destinations") == [key_of(destination) for destination in destinations()]
    monkeypatch.delenv("OPENLINEAGE_URL")
    (in_tmp_path / ".lamin").mkdir()
    (in_tmp_path / ".lamin" / "instance.toml").write_text("")
    assert ask("destinations") == [registry_key(in_tmp_path / ".lamin")]
    url = "postgresql://host/registry"
    monkeypatch.setenv("LAMIN_INSTANCE", url)
    assert ask("destinations") == [registry_key(database_folder(url))]


def test_openlineage_python_transports_get_every_event(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(in_tmp_path / "spool"))
    with receiving() as own, receiving() as other, receiving() as ignored:
        configuration = {
            "transport": {
                "type": "composite",
                "transports": [
                    {"type": "http", "url": other.url, "auth": {"type": "api_key", "apiKey": "k"}},
                    {"type": "file", "log_file_path": str(in_tmp_path / "log.ndjson")},
                ],
            }
        }
        (in_tmp_path / "openlineage.yml").write_text(json.dumps(configuration))
        monkeypatch.setenv("OPENLINEAGE_URL", own.url)
        ask("deliver", own.url, 2)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", other.url)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__ENDPOINT", "elsewhere")
        ask("deliver", own.url, 2)
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
        ask("deliver", ignored.url, 2)
    assert numbers(own) == numbers(other) == [0, 1, 0, 1]
    assert [headers.get("Authorization") for _, _, headers in other.requests[:2]] == [
        "Bearer k"
    ] * 2
    assert [path for path, _, _ in other.requests[2:]] == ["/elsewhere"] * 2
    log = (in_tmp_path / "log.ndjson").read_text().splitlines()
    assert [json.loads(line)["number"] for line in log] == [0, 1]
    assert ignored.requests == []
    assert spooled_numbers(in_tmp_path / "spool") == [0, 1]  # the registry here takes them


def test_events_for_an_absent_receiver_are_sent_by_the_next_pipeline(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    with receiving() as receiver:
        port = receiver.port
    ask("deliver", receiver.url, 3)
    assert spooled_numbers(tmp_path / "spool") == [0, 1, 2]
    with receiving(port=port) as receiver:
        ask("deliver", receiver.url, 2)
    assert numbers(receiver) == [0, 1, 2, 0, 1]
    assert not (tmp_path / "spool").exists()


def test_events_spooled_by_java_are_sent_by_the_next_python_adapter(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    with receiving() as receiver:
        port = receiver.port
    ask("deliver", receiver.url, 2)
    monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
    with receiving(port=port) as receiver:
        sink = default_sink()
        sink.emit({"number": 7})
        sink.close()
    assert numbers(receiver) == [0, 1, 7]


def test_segment_being_written_by_java_is_not_drained_by_python(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    with ThreadPoolExecutor(1) as pool, receiving(lambda *_: (503, b"")) as busy:
        delivery = pool.submit(ask, "deliver", busy.url, 20)
        segments: list[Path] = []
        while not segments and not delivery.done():
            time.sleep(0.05)
            segments = list((tmp_path / "spool").glob("*.ndjson"))
        (segment,) = segments
        delivered: list[bytes] = []
        assert drain(segment, delivered.extend, Drained()) is False
        delivery.result()
        assert delivered == []
        assert spooled_numbers(tmp_path / "spool") == list(range(20))
        assert drain(segment, delivered.extend, Drained()) is True
    assert len(delivered) == 20


def test_refused_events_are_set_aside_and_the_others_sent(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))

    def answer(path: str, events: list[Event]) -> tuple[int, bytes]:
        refused = any(event["number"] == 1 for event in events)
        return (422, b"no such thing") if refused else (200, b"{}")

    with receiving(answer) as receiver:
        ask("deliver", receiver.url, 3)
    assert numbers(receiver) == [0, 2]
    (file,) = aside_files(tmp_path / "spool")
    assert file.events == 1
    assert "no such thing" in file.reason


def takes_a_batch_in_part(path: str, events: list[Event]) -> tuple[int, bytes]:
    """Take a batch in part, as a server that could not store one event and takes it the second time."""
    if not path.endswith("/batch"):
        return 201, b""
    verdict = {"index": 0, "reason": "busy", "retriable": True}
    return 200, json.dumps({"summary": {"failed": 1}, "failed_events": [verdict]}).encode()


@pytest.mark.parametrize("answer", [takes_everything, without_batches, takes_a_batch_in_part])
def test_events_are_sent_in_batches_if_the_receiver_supports_batches(
    answer: Callable[[str, list[Event]], tuple[int, bytes]],
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("LAMIN_SPOOL", str(tmp_path / "spool"))
    count = 10_000 if answer is takes_everything else 150
    with receiving(answer) as receiver:
        ask("deliver", receiver.url, count, 0)
    batches = [path for path, _, _ in receiver.requests if path.endswith("/batch")]
    assert sorted(set(numbers(receiver))) == list(range(count))
    assert not (tmp_path / "spool").exists()
    if answer is takes_everything:
        assert len(receiver.requests) < count / 50
    if answer is without_batches:
        assert len(batches) == 1


def test_digests_of_large_files_are_cached_across_runs(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = [tmp_path / f"file{number}" for number in range(40)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 200_000)
    time.sleep(0.1)  # past the tick of the clock of the file system
    expected = [digest(file).hash for file in files]
    for _ in range(2):
        assert [row[1] for row in ask("digest", *files)] == expected
    cache = tmp_path / "cache" / "lamin" / "nextflow" / "digests"
    assert cache.stat().st_size <= 1 << 24
    text = bytearray(cache.read_bytes())
    torn = bytes.fromhex(str(expected[0]))
    at = text.index(torn)
    text[at] ^= 1
    cache.write_bytes(text)
    assert [row[1] for row in ask("digest", *files)] == expected  # a damaged entry is no entry
    files[1].write_bytes(b"other" * 50_000)
    assert ask("digest", files[1])[0][1] == digest(files[1]).hash


def test_finished_task_takes_little_heap(ask: Ask) -> None:
    """Check for less than 100 MB at 100,000 tasks; the run id of each is needed until the end, for published files."""
    assert 0 < ask("heap", 20_000) < 800


def test_inputs_and_outputs_of_every_nextflow_generation_are_read(ask: Ask) -> None:
    """A map of parameters up to 25.04, a list since 25.10; records of typed processes since 26.04."""
    shapes = ask("shapes")
    inputs = [["/data/a.txt", None], ["/data/b.txt", "in/1.txt"]]
    assert shapes["map of lists"] == shapes["list"] == inputs
    assert shapes["none"] == shapes["failed"] == []
    assert shapes["record"] == ["/w/ab/cd/x.txt", "/w/ab/cd/y.txt"]
    assert shapes["path"] == shapes["set"] == shapes["single output"] == ["/w/ab/cd/x.txt"]
    assert shapes["stored"] == ["/store/r.txt"]
    facet = {"name": "res", "index": "/results/index.json", "metadata": {"id": "x"}}
    assert shapes["workflow output"]["/w/ab/cd/x.txt"] == facet
    assert shapes["workflow output"]["/w/ab/cd/y.txt"] == facet
