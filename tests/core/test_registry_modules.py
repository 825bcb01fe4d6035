"""Registry modules: a package with registries and migrations of its own, installed and deployed on both databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.instance.instance import Instance
from tests.support.commands import lamin

EXAMPLE = Path(__file__).parents[2] / "example_pipelines" / "wetlab"
SCRIPT = """
import lamin_core as ln

ln.connect()
artifact = ln.Artifact("plate.csv", key="plate.csv").save()
assert artifact.biosamples.count() == 0  # the instance has loaded the module

import lamin_core.bionty as bt
import wetlab as wl

human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
sample = wl.Biosample(name="S1", batch="b1", organism=human).save()
library = wl.Techsample(name="S1-lib", biosample=sample).save()
experiment = wl.Experiment(name="E1").save()
well = wl.Well(name="A01", experiment=experiment, row="A", column=1).save()
assert wl.Well(name="A01", experiment=experiment).save() == well
assert wl.Well(name="A01").save() != well
cocktail, drug = wl.Treatment(name="cocktail").save(), wl.Treatment(name="drug", concentration=2.5).save()
drug.parents.add(cocktail)
artifact.biosamples.add(sample)
artifact.wells.add(well)
assert ln.Artifact.get(biosamples__organism__name="human") == artifact
assert ln.Artifact.get(wells__experiment=experiment) == artifact
assert [*library.biosample.artifacts] == [artifact]
assert [*experiment.wells] == [well] and [*cocktail.children] == [drug]
assert wl.Treatment.filter(concentration__gt=2).one() == drug

feature = ln.Feature(name="treated with", dtype=wl.Treatment).save()
assert feature.dtype == "cat[wetlab.Treatment]"
artifact.features.add_values({"treated with": "drug"})
assert ln.Artifact.get(**{"treated with": "drug"}) == artifact
assert artifact.labels.all() == {"biosamples": ["S1"], "treatments": ["drug"], "wells": ["A01"]}

for used in (sample, human, feature):
    try:
        used.delete(permanent=True)
    except ln.errors.Conflict as error:
        print(error.message.partition(" is ")[2])
sample.batch = "b2"
sample.save()
drug.delete()
assert wl.Treatment.filter(name="drug").count() == 0
drug.restore()
try:
    wl.Biosample(nam="S2")
except ln.errors.InvalidArgument as error:
    print(error)
label = ln.ULabel(name="x").save()
label.delete(permanent=True)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example was installed into by pip, without a network."""
    source = tmp_path_factory.mktemp("source") / "wetlab"
    shutil.copytree(EXAMPLE, source)
    target = tmp_path_factory.mktemp("site")
    options = [
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--quiet",
        "--target",
        str(target),
    ]
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options]
    subprocess.run([*command, str(source)], check=True)
    return target


@pytest.fixture
def site(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that the test may change, found by the processes that the test starts."""
    folder = tmp_path / "site"
    shutil.copytree(installed, folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to make an instance in."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _init(url: str | None, *arguments: str, code: int = 0) -> str:
    database = [] if url is None else ["--db", url]
    return lamin("init", "--storage", "./data", *database, *arguments, code=code).stderr


def test_module_records_are_created_labelled_queried_and_protected(
    site: Path, project: Path, empty_database_url: str
) -> None:
    shown = _init(empty_database_url, "--modules", "wetlab")
    assert "module:   wetlab, schema wetlab_0001" in shown
    (project / "plate.csv").write_text("well\nA01\n")
    assert _python(SCRIPT).splitlines() == [
        "used by 1 artifact and 1 techsample",
        "used by 1 biosample",
        "used by 1 artifact",
        "ln.Biosample takes no argument 'nam'",
        "  hint: did you mean name?",
    ]
    assert "module wetlab is at schema wetlab_0001" in lamin("migrate").stderr


def test_migrations_of_the_example_module_match_its_registries(site: Path, project: Path) -> None:
    refused = lamin("migrate", "create", "wetlab", code=4).stderr
    assert "the tables of module 'wetlab' are as its migrations leave them" in refused


def test_module_can_be_added_to_an_instance_and_migrated(
    site: Path, project: Path, database_url: str
) -> None:
    _init(database_url)
    assert "wetlab" not in lamin("migrate").stderr
    assert "wetlab_0001" in lamin("migrate", "deploy", "--modules", "wetlab").stderr
    registries = site / "wetlab" / "registries.py"
    text = registries.read_text().replace(
        "    row: Mapped[str | None]\n",
        "    row: Mapped[str | None]\n    volume: Mapped[float | None]\n",
    )
    registries.write_text(text)
    created = Path(lamin("migrate", "create", "wetlab", "-m", "volumes").stdout.strip())
    assert created.name == "wetlab_0002_volumes.py"
    assert "volume" in created.read_text()
    assert "lamin migrate" in lamin("list", "ulabel", code=5).stderr
    assert "wetlab_0002" in lamin("migrate").stderr
    _python(
        "import lamin_core as ln, wetlab as wl; ln.connect(); wl.Well(name='A', volume=1.5).save()"
    )
    created.unlink()
    assert "upgrade the package of 'wetlab'" in lamin("list", "ulabel", code=5).stderr


def test_instance_works_without_its_registry_module_installed(
    site: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _init(None, "--modules", "wetlab")
    (project / "plate.csv").write_text("well\nA01\n")
    _python(SCRIPT)
    monkeypatch.delenv("PYTHONPATH")
    code = "import lamin_core as ln; ln.connect(); print(ln.Artifact.get(key='plate.csv').key)"
    assert _python(code) == "plate.csv\n"
    assert "'wetlab' is not installed" in lamin("list", "artifact").stderr
    assert "'wetlab' is not installed" in lamin("migrate", code=5).stderr


def test_imported_module_without_tables_in_the_instance_changes_nothing(
    site: Path, project: Path
) -> None:
    _init(None)
    code = """
import lamin_core as ln, wetlab as wl
ln.connect()
label = ln.ULabel(name="x").save()
label.delete(permanent=True)
try:
    wl.Well(name="A01").save()
except ln.errors.SchemaMismatch as error:
    print(error)
"""
    printed = _python(code)
    assert "has no tables of the registry module 'wetlab'" in printed
    assert "lamin migrate deploy --modules wetlab" in printed


@pytest.mark.parametrize(
    ("broken", "message", "code"),
    [
        ("without migrations", "the registry module 'wetlab' has no migrations", 3),
        ("failing migration", "a migration of module 'wetlab' fails: OperationalError", 4),
        ("failing import", "the registry module 'wetlab' cannot be imported: ZeroDivisionError", 5),
        ("foreign table", "table 'well' of module 'wetlab' does not begin with its name", 4),
        ("unknown", "no module is called 'wetlba'", 2),
    ],
)
def test_broken_module_is_refused_and_nothing_is_created(
    site: Path, project: Path, broken: str, message: str, code: int
) -> None:
    _break(site / "wetlab", broken)
    name = "wetlba" if broken == "unknown" else "wetlab"
    assert message in _init(None, "--modules", name, code=code)
    assert os.listdir(project) == []
    if broken != "failing migration":
        return
    _init(None)
    assert message in lamin("migrate", "deploy", "--modules", name, code=code).stderr
    with closing(sqlite3.connect(".lamin/lamin.db")) as database:
        names = database.execute(
            "SELECT name FROM sqlite_master UNION SELECT version_num FROM alembic_version"
        )
        assert [name for (name,) in names if name.startswith("wetlab")] == []


def test_failing_module_migration_leaves_postgresql_unchanged(
    site: Path, project: Path, postgres_url: str
) -> None:
    _break(site / "wetlab", "failing migration")
    assert "a migration of module 'wetlab' fails" in _init(
        postgres_url, "--modules", "wetlab", code=4
    )
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(query).fetchone() == (0,)


def _break(package: Path, broken: str) -> None:
    registries, versions = package / "registries.py", package / "migrations" / "versions"
    if broken == "without migrations":
        shutil.rmtree(package / "migrations")
    elif broken == "failing migration":
        migration = next(versions.glob("wetlab_0001*.py"))
        migration.write_text(
            f'{migration.read_text()}    op.execute("INSERT INTO no_such VALUES (1)")\n'
        )
    elif broken == "failing import":
        registries.write_text("1 / 0\n")
    elif broken == "foreign table":
        registries.write_text(registries.read_text().replace('"wetlab_well"', '"well"'))


_FRESH = """
import lamin_core as ln
import lamin_core.bionty as bt
from lamin_core.models.tables import Base
artifact = ln.Artifact.get(key="cells.txt")
print(artifact.features.get_values(), ln.Artifact.filter().df(features=True)["cell"].to_list())
artifact.features.remove_values("cell")
bt.Tissue.filter().count()
print(sorted({table for table in Base.metadata.tables if table.startswith("bionty_")}))
print(bt.Gene.organism.target is bt.Organism, artifact.cell_types.count(), artifact.diseases.count())
"""


def test_fresh_process_defines_the_tables_that_it_uses(embedded: Instance) -> None:
    Path("cells.txt").write_text("cells")
    artifact = ln.Artifact("cells.txt", key="cells.txt").save()
    ln.Feature(name="cell", dtype=bt.CellType).save()
    bt.CellType(name="of mine").save()
    artifact.features.add_values({"cell": "of mine"})
    output = subprocess.run(
        [sys.executable, "-c", _FRESH], capture_output=True, text=True, check=True
    ).stdout
    values, tables, related = output.splitlines()
    assert values == "{'cell': 'of mine'} ['of mine']"
    assert tables == "['bionty_cell_line', 'bionty_cell_type', 'bionty_source', 'bionty_tissue']"
    assert related == "True 0 0"
