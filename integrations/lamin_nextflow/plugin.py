"""The observer as a Nextflow plugin: its folder, and the lines of nextflow.config that load it."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lamin_core import __version__
from lamin_core.errors import Unavailable
from lamin_core.runtime.paths import instance_for_children, is_url
from lamin_core.runtime.url_credentials import without_credentials
from lamin_nextflow.build import PLUGIN_ID, observer_jar

FOLDER = f"{PLUGIN_ID}-{__version__}"
SHIPPED = Path(__file__).with_name("plugins")
"""The plugin, unpacked, in a wheel: `NXF_PLUGINS_DIR` may name this folder."""


def plugins_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of this Nextflow's plugins: `NXF_PLUGINS_DIR`, by default `plugins` in `NXF_HOME`.

    >>> plugins_folder({"NXF_HOME": "/opt/nextflow"}).as_posix()
    '/opt/nextflow/plugins'
    """
    home = Path(environment.get("NXF_HOME") or "~/.nextflow").expanduser()
    return Path(environment.get("NXF_PLUGINS_DIR") or home / "plugins")


def install(folder: Path) -> Path:
    """Unpack the plugin into this folder of plugins, in place of one of the same version; where it is.

    Raises `Unavailable` when there is no jar, or the folder cannot be written.
    """
    jar = observer_jar()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return unpack(jar, folder / FOLDER)
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="set NXF_PLUGINS_DIR to a folder of yours",
        ) from error


def ship(jar: Path) -> None:
    """Unpack this jar for the wheel."""
    SHIPPED.mkdir(exist_ok=True)
    unpack(jar, SHIPPED / FOLDER)


def unpack(jar: Path, target: Path) -> Path:
    """The jar as Nextflow wants a plugin: `classes/` in a folder that is whole whenever it is there."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as staging:
        unpacked = Path(staging, target.name)
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(unpacked / "classes")
        unpacked.chmod(0o755)
        if target.exists():
            os.rename(target, Path(staging, "old"))
        os.rename(unpacked, target)
    return target


def configuration(environment: Mapping[str, str] = os.environ) -> str:
    """The lines for nextflow.config: the plugin, and where its events go from here.

    >>> print(configuration({"OPENLINEAGE_URL": "http://127.0.0.1:4747"}))
    plugins {
        id 'nf-lamin-lineage@0.1.0'
    }
    openlineage {
        url = 'http://127.0.0.1:4747'
    }
    """
    return "\n".join(
        [
            "plugins {",
            f"    id '{PLUGIN_ID}@{__version__}'",
            "}",
            "openlineage {",
            f"    {_destination(environment)}",
            "}",
        ]
    )


def _destination(environment: Mapping[str, str]) -> str:
    """The setting that names the receiver; never a password, for the file is shared."""
    url = environment.get("OPENLINEAGE_URL", "").strip()
    instance = instance_for_children()
    if url:
        return f"url = {_quoted(without_credentials(url))}"
    if instance is not None and not is_url(instance):
        return f"instance = {_quoted(instance)}"
    return "// url = 'http://HOST:4747'  or  instance = '/path/to/project'"


def _quoted(text: str) -> str:
    r"""The text as a string of Groovy.

    >>> _quoted("it's")
    "'it\\'s'"
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
