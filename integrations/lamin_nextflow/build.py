"""Our observer as a jar: built from `integrations/nextflow_plugin` in a checkout, shipped ready-made in a wheel."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from lamin_core import __version__
from lamin_core.errors import LaminError, Unavailable
from lamin_core.runtime.secret_names import RULES
from lamin_nextflow import jar_cache
from lamin_nextflow.java import find_java, find_javac

PLUGIN_ID = "nf-lamin-lineage"
JAR = Path(__file__).with_name("lamin-nextflow.jar")
SOURCE = Path(__file__).parent.parent / "nextflow_plugin"
COMPILED_AGAINST = "nextflow-24.10.0"
COMPILER = "ecj-3.33.0"
_STAMP = "META-INF/lamin-source"
_MANIFEST = f"""\
Manifest-Version: 1.0
Premain-Class: lamin.nextflow.Agent
Plugin-Id: {PLUGIN_ID}
Plugin-Version: {__version__}
Plugin-Class: lamin.nextflow.Plugin
Plugin-Provider: lamin-core
Plugin-Requires: >=22.10.0

"""


def observer_jar() -> Path:
    """The jar, built again if its source has changed. Raises `Unavailable` if it is missing and cannot be built."""
    if SOURCE.is_dir():
        return build()
    if not JAR.is_file():
        raise Unavailable(
            f"{JAR.name} is missing from this installation", hint="install lamin-core again"
        )
    return JAR


def build(jar: Path = JAR, *, jdk: bool = True) -> Path:
    """Compile the source into this jar, unless the one there was made from the same source."""
    stamp = _stamp()
    if _stamp_of(jar) != stamp:
        with tempfile.TemporaryDirectory(dir=jar.parent, prefix=".build-") as folder:
            classes = Path(folder, "classes")
            compile_java(sorted(SOURCE.glob("src/**/*.java")), classes, jdk=jdk)
            _pack(classes, stamp, Path(folder, jar.name))
            os.replace(Path(folder, jar.name), jar)  # another process may run with the old one
    return jar


def compile_java(
    sources: Iterable[Path], classes: Path, classpath: Iterable[Path] = (), *, jdk: bool = True
) -> None:
    """Compile these files for Java 11 against Nextflow, with the `javac` of a JDK, else with Eclipse's compiler.

    `jdk=False` does not look for the first. Raises `Unavailable` when neither can be had, and
    `LaminError` with the compiler's words when it refuses.
    """
    javac = find_javac(11) if jdk else None
    path = os.pathsep.join([str(jar_cache.jars(COMPILED_AGAINST) / "*"), *map(str, classpath)])
    if javac:
        command = [str(javac), "--release", "11"]
    else:
        # Eclipse's compiler takes no wildcard.
        path = os.pathsep.join(
            [
                *map(str, sorted(jar_cache.jars(COMPILED_AGAINST).glob("*.jar"))),
                *map(str, classpath),
            ]
        )
        compiler = jar_cache.jars(COMPILER) / f"{COMPILER}.jar"
        command = [str(find_java(17, 24)), "-jar", str(compiler), "-source", "11", "-target", "11"]
    command += [
        "-encoding",
        "UTF-8",
        "-proc:none",
        "-nowarn",
        "-g:source,lines",
        "-cp",
        path,
        "-d",
        str(classes),
    ]
    result = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
    if result.returncode:
        raise LaminError(f"the observer does not compile:\n{result.stderr or result.stdout}")


def _stamp() -> str:
    """The sources of the jar: every source file, and this module, which builds it."""
    digest = hashlib.sha256(__version__.encode())
    for path in [Path(__file__), RULES, *_resources(), *sorted(SOURCE.glob("src/**/*.java"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _resources() -> list[Path]:
    return sorted(path for path in SOURCE.glob("resources/**/*") if path.is_file())


def _stamp_of(jar: Path) -> str | None:
    try:
        with zipfile.ZipFile(jar) as archive:
            return archive.read(_STAMP).decode()
    except (OSError, KeyError, zipfile.BadZipFile):
        return None


def _pack(classes: Path, stamp: str, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w") as archive:
        for name, content in _entries(classes, stamp):
            # The same source gives the same bytes: ZipInfo's date is fixed, the order is ours.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _entries(classes: Path, stamp: str) -> Iterator[tuple[str, bytes]]:
    yield "META-INF/MANIFEST.MF", _MANIFEST.encode()
    yield _STAMP, stamp.encode()
    yield "lamin/nextflow/version.txt", __version__.encode()
    yield "lamin/nextflow/redaction_rules.txt", RULES.read_bytes()
    for path in _resources():
        yield path.relative_to(SOURCE / "resources").as_posix(), path.read_bytes()
    for path in sorted(classes.glob("**/*.class")):
        yield path.relative_to(classes).as_posix(), path.read_bytes()
