"""Bytes on their way in: what cannot be saved says why, and leaves nothing half done behind."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import lamin_core as ln
from lamin_core.errors import Conflict, InvalidArgument, InvalidKey, NotFound, Unavailable
from lamin_core.instance.instance import Instance
from lamin_core.storage import digest_cache
from lamin_core.storage.digest_cache import DigestCache
from lamin_core.storage.hashing import digest
from lamin_core.storage.locations import managed_key
from tests.core.conftest import stored

Write = Callable[[str, str], Path]


@pytest.fixture
def instance(embedded: Instance) -> Instance:
    """These tests are about files, so one database is enough."""
    return embedded


# Killed


KILLED = textwrap.dedent("""
    import os, signal, sys
    import lamin_core as ln
    from lamin_core.storage import blobs as copies
    copies._PIECE = 1 << 20
    real, moved = os.copy_file_range, []
    def move(*args):
        moved.append(1)
        if len(moved) > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)
    os.copy_file_range = move
    ln.Artifact(sys.argv[1], key=sys.argv[2]).save()
""")


def _killed(path: Path, key: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), key], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_killed_copy_is_continued(
    instance: Instance, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(8 << 20)
    (outside / "big.bin").write_bytes(data)
    _killed(outside / "big.bin", "big.bin")
    (part,) = stored(instance)
    assert part.endswith(".part")
    assert ln.Artifact.count() == 0
    moved, real = [], os.copy_file_range

    def move(source: int, target: int, count: int, *offsets: int) -> int:
        moved.append(offsets[0])
        return real(source, target, count, *offsets)

    monkeypatch.setattr(os, "copy_file_range", move)
    artifact = ln.Artifact(outside / "big.bin", key="big.bin").save()
    assert moved == [3 << 20]  # the first three pieces were there already
    assert artifact.path.read_bytes() == data
    assert stored(instance) == [artifact.path.name]


def test_damaged_part_file_is_discarded(instance: Instance, outside: Path) -> None:
    (outside / "big.bin").write_bytes(os.urandom(8 << 20))
    _killed(outside / "big.bin", "big.bin")
    (part,) = Path(instance.storage).rglob("*.part")
    part.write_bytes(b"\0" * part.stat().st_size)
    with pytest.raises(Unavailable, match="changed while it was copied"):
        ln.Artifact(outside / "big.bin", key="big.bin").save()
    assert stored(instance) == []
    artifact = ln.Artifact(outside / "big.bin", key="big.bin").save()
    assert artifact.path.read_bytes() == (outside / "big.bin").read_bytes()


def test_killed_copy_of_a_folder_is_completed(instance: Instance, outside: Path) -> None:
    for number in range(6):
        (outside / f"{number}.bin").write_bytes(os.urandom(1 << 20))
    _killed(outside, "folder")
    assert ln.Artifact.count() == 0
    artifact = ln.Artifact(outside, key="folder").save()
    assert sorted(path.name for path in artifact.path.iterdir()) == [
        f"{number}.bin" for number in range(6)
    ]
    assert not list(Path(instance.storage).rglob("*.part"))


def test_concurrent_saves_of_the_same_bytes_store_one_copy(
    instance: Instance, outside: Path
) -> None:
    (outside / "a.bin").write_bytes(os.urandom(4 << 20))
    errors: list[BaseException] = []

    def save(number: int) -> None:
        try:
            ln.Artifact(outside / "a.bin", key=f"{number}.bin").save()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ln.Artifact.count() == 8
    assert len(stored(instance)) == 1


# The source


def test_file_that_changes_while_hashed_is_not_saved(
    instance: Instance, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = outside / "a.bin"
    path.write_bytes(b"x" * 100)

    def slow(*_: object) -> object:
        result = digest(path)
        path.write_bytes(b"y" * 101)
        return result

    monkeypatch.setattr(digest_cache, "digest", slow)
    with pytest.raises(Unavailable, match="changed while it was read"):
        ln.Artifact(path, key="a.bin")


def test_file_truncated_while_hashed_does_not_kill_the_process(
    tmp_path: Path,
) -> None:
    # A memory map would: SIGBUS.
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * (64 << 20))
    code = textwrap.dedent(f"""
        import os, threading, time
        from lamin_core.storage.hashing import digest
        threading.Thread(target=lambda: (time.sleep(0.002), os.truncate({str(path)!r}, 0))).start()
        for _ in range(3):
            digest({str(path)!r})
    """)
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_file_that_changes_before_copying_is_not_saved(instance: Instance, outside: Path) -> None:
    path = outside / "a.bin"
    path.write_bytes(b"old")
    artifact = ln.Artifact(path, key="a.bin")
    path.write_bytes(b"new")  # the same size, and perhaps the same time
    with pytest.raises(Unavailable, match="changed while it was copied"):
        artifact.save()
    assert stored(instance) == []
    assert ln.Artifact.count() == 0


def test_file_in_place_that_changes_before_save_is_not_saved(
    instance: Instance, in_tmp_path: Path
) -> None:
    path = in_tmp_path / "a.txt"
    path.write_text("old")
    artifact = ln.Artifact(path)
    path.write_text("newer")
    with pytest.raises(Conflict, match="changed before it was saved"):
        artifact.save()
    assert ln.Artifact.count() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be made somebody who may not read")
@pytest.mark.parametrize("name", ["secret.txt", "folder"])
def test_unreadable_file_or_folder_raises_unavailable(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for path in (tmp_path / "secret.txt", tmp_path / "folder" / "inner"):
        path.chmod(0o000)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.setuid(65534)
        try:
            DigestCache().at(tmp_path / name)
        except Unavailable as error:
            os._exit(
                0 if "cannot be read" in str(error) and "Permission denied" in str(error) else 2
            )
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_empty_file_and_empty_folder_can_be_saved(instance: Instance, outside: Path) -> None:
    (outside / "empty.txt").touch()
    (outside / "nothing").mkdir()
    file = ln.Artifact(outside / "empty.txt", key="empty.txt").save()
    folder = ln.Artifact(outside / "nothing", key="nothing").save()
    assert (file.size, file.load(), folder.n_files) == (0, "", 0)
    assert list(folder.cache().iterdir()) == []
    assert ln.Artifact(outside / "empty.txt", key="empty.txt").save().uid == file.uid


def test_links_in_a_folder_are_followed_and_broken_ones_skipped(
    instance: Instance, outside: Path, tmp_path: Path
) -> None:
    folder = outside / "d"
    folder.mkdir()
    (outside / "elsewhere.txt").write_text("out of the tree")
    (folder / "out.txt").symlink_to(outside / "elsewhere.txt")
    (folder / "broken.txt").symlink_to("nowhere")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    artifact = ln.Artifact(folder, key="d").save()
    assert artifact.n_files == 1
    copied = artifact.path / "out.txt"
    assert copied.read_text() == "out of the tree"
    assert not copied.is_symlink()
    assert [record.key for record in ln.Artifact.from_dir(folder)] == ["d/out.txt"]
    with pytest.raises(NotFound, match="broken link"):
        ln.Artifact(folder / "broken.txt")
    with pytest.raises(InvalidArgument, match="neither a file nor a folder"):
        ln.Artifact(folder / "pipe")


KEYS = [
    *(
        "../a.txt",
        "a/../../b.txt",
        "a/..",
        "..",
        ".",
        "./a.txt",
        "a/./b.txt",
        "a//b.txt",
        "/a.txt",
        "//a.txt",
        "",
        "a/",
    ),
    *(
        "\\a.txt",
        "a\\b.txt",
        "..\\a.txt",
        "C:\\a.txt",
        "\\\\server\\a.txt",
        "a\0.txt",
        "\0",
        "a/\0/b.txt",
    ),
    *(".lamindb/a.txt", "a/.lamindb/b.txt", ".lamindb", "a/.lamindb"),
]


@pytest.mark.parametrize("key", KEYS)
def test_key_that_leaves_its_storage_is_refused(
    instance: Instance, outside: Path, key: str
) -> None:
    (outside / "a.txt").write_text("x")
    with pytest.raises(InvalidKey) as failure:
        ln.Artifact(outside / "a.txt", key=key)
    assert failure.value.hint
    assert stored(instance) == []


@pytest.mark.parametrize(
    "key",
    [
        "%2e%2e/a.txt",
        "%252e/a.txt",
        "\u2025/a.txt",
        "a/\uff0e\uff0e/b.txt",
        "~/a.txt",
        "$HOME/a.txt",
        "*.txt",
    ],
)
def test_key_that_only_looks_dangerous_is_accepted(
    instance: Instance, outside: Path, key: str
) -> None:
    (outside / "a.txt").write_text("x")
    artifact = ln.Artifact(outside / "a.txt", key=key).save()
    assert artifact.load() == "x"
    assert Path(instance.storage) in artifact.path.parents


# The storage


SMALL = 1 << 20


def test_full_disk_leaves_no_partial_copy(instance: Instance, outside: Path) -> None:
    # A limit on the size of files gives the errors of a full disk, and needs no privileges.
    (outside / "d").mkdir()
    for path in (outside / "a.bin", outside / "d" / "b.bin"):
        path.write_bytes(os.urandom(4 * SMALL))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for source in (outside / "a.bin", outside / "d"):
        artifact = ln.Artifact(source, key=source.name)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SMALL, before[1]))
        try:
            with pytest.raises(Unavailable, match="free some space"):
                artifact.save()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert stored(instance) == []
        assert ln.Artifact.count() == 0
        assert artifact.save().version == "0000"  # with space again, the same object can be saved
        artifact.delete(permanent=True)


def test_missing_storage_folder_is_not_recreated(instance: Instance, outside: Path) -> None:
    # It may be a disk that is not mounted: what is written to its mount point would be hidden
    # later.
    (outside / "a.txt").write_text("x")
    os.rename(instance.storage, f"{instance.storage}-away")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt")
    with pytest.raises(Unavailable, match="is gone"):
        artifact.save()
    assert not Path(instance.storage).exists()
    os.rename(f"{instance.storage}-away", instance.storage)
    assert artifact.save().load() == "x"


def test_stored_copy_is_read_only_and_damage_is_detected(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("abc")
    artifact = ln.Artifact(outside / "a.txt", key="a.txt").save()
    assert artifact.path.stat().st_mode & 0o222 == 0
    artifact.path.chmod(0o644)
    artifact.path.write_text("ab")
    with pytest.raises(Conflict, match="is damaged"):
        artifact.load()
    assert (
        ln.Artifact(outside / "a.txt", key="a.txt").save().load() == "abc"
    )  # and saving again heals it


def test_copy_without_copy_file_range_has_the_same_bytes(
    instance: Instance, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    data = os.urandom(9 << 20)
    (outside / "a.bin").write_bytes(data)
    assert ln.Artifact(outside / "a.bin", key="a.bin").save().path.read_bytes() == data


# What lies where an unfinished copy would


def _part_of(instance: Instance, path: Path, suffix: str = ".txt") -> Path:
    """The path of the unfinished copy of this file, before it exists."""
    folder = Path(instance.storage, ".lamindb")
    folder.mkdir(exist_ok=True)
    name = Path(managed_key(digest(path), suffix)).name
    return folder / f".{name}.{os.geteuid()}.part"


@pytest.mark.parametrize("kind", ["link", "broken link", "hard link", "fifo", "folder"])
def test_link_fifo_or_folder_planted_as_part_file_is_replaced(
    instance: Instance, outside: Path, kind: str
) -> None:
    (outside / "reads.txt").write_text("what everybody has")
    precious = outside / "precious.txt"
    precious.write_text("PRECIOUS, and longer than that")
    part = _part_of(instance, outside / "reads.txt")
    if kind == "link":
        part.symlink_to(precious)
    elif kind == "broken link":
        part.symlink_to(outside / "nothing.txt")
    elif kind == "hard link":
        part.hardlink_to(precious)
    elif kind == "fifo":
        os.mkfifo(part)
    else:
        part.mkdir()
    mode = precious.stat().st_mode
    artifact = ln.Artifact(outside / "reads.txt", key="raw/reads.txt").save()
    assert artifact.load() == "what everybody has"
    assert (precious.read_text(), precious.stat().st_mode) == (
        "PRECIOUS, and longer than that",
        mode,
    )
    assert not (outside / "nothing.txt").exists()
    assert stored(instance) == [artifact.path.name]


@pytest.mark.parametrize("where", ["", "a.txt", "sub"])
def test_link_planted_in_the_part_of_a_folder_is_replaced(
    instance: Instance, outside: Path, where: str
) -> None:
    source, elsewhere = outside / "source", outside / "elsewhere"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "sub" / "b.txt").write_text("b")
    elsewhere.mkdir()
    (elsewhere / "a.txt").write_text("PRECIOUS, and longer")
    part = _part_of(instance, source, "")
    if where:
        part.mkdir()
        part.chmod(0o777)  # as in a storage that a group may write to
    (part / where if where else part).symlink_to(
        elsewhere / "a.txt" if where == "a.txt" else elsewhere
    )
    artifact = ln.Artifact(source, key="source").save()
    assert digest(artifact.path) == artifact.content_digest
    assert [path.name for path in elsewhere.iterdir()] == ["a.txt"]
    assert (elsewhere / "a.txt").read_text() == "PRECIOUS, and longer"
    assert not [path for path in artifact.path.rglob("*") if path.is_symlink()]


def test_part_file_is_readable_by_its_owner_only(instance: Instance, outside: Path) -> None:
    (outside / "big.bin").write_bytes(os.urandom(8 << 20))
    (outside / "big.bin").chmod(0o644)
    _killed(outside / "big.bin", "big.bin")
    (part,) = Path(instance.storage).rglob("*.part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what belongs to others")
def test_part_file_of_another_user_is_not_continued(instance: Instance, outside: Path) -> None:
    (outside / "a.txt").write_text("abcdef")
    part = _part_of(instance, outside / "a.txt")
    part.write_text("abX")
    os.chown(part, 65534, 65534)
    assert ln.Artifact(outside / "a.txt", key="a.txt").save().load() == "abcdef"
