"""Scripts written for LaminDB: names that work, and names that say what to use instead."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lamin_core as ln
from lamin_core import errors
from lamin_core.instance.instance import Instance
from lamin_core.instance.recent import as_html
from lamin_core.models import lamindb_names
from tests.support.commands import lamin, typed

PAGE = Path(__file__).parents[2] / "docs" / "lamindb-users.md"
MODULES = {
    "ln.": "lamin_core",
    "ln.setup.": "lamin_core.instance.setup",
    "ln.context.": "lamin_core.runtime.current",
}


def _refused() -> Iterator[tuple[str, str]]:
    """The names in the first column of the page, each with its hint."""
    for registry, hints in lamindb_names.ARGUMENTS.items():
        yield from ((f"{registry}({name}=)", hint) for name, hint in hints.items())
    for registry, hints in lamindb_names.ATTRIBUTES.items():
        yield from ((f"{registry}.{name}", hint) for name, hint in hints.items())
    for prefix, module in MODULES.items():
        names = importlib.import_module(module)._NOT_HERE
        yield from ((f"{prefix}{name}", hint) for name, hint in names.items())


def test_lamindb_page_and_code_list_the_same_names() -> None:
    rows = [
        line
        for line in PAGE.read_text().split("## Not here")[1].splitlines()
        if line.startswith("| `")
    ]
    assert rows == [f"| `{name}` | {hint} |" for name, hint in _refused()]


@pytest.mark.parametrize("registry", lamindb_names.ATTRIBUTES)
def test_unsupported_lamindb_attribute_names_the_replacement(registry: str) -> None:
    for name, hint in lamindb_names.ATTRIBUTES[registry].items():
        kind: Any = ln.Environment if registry == lamindb_names.ANY else getattr(ln, registry)
        with pytest.raises(errors.NotHere) as caught:
            getattr(kind, name)
        assert caught.value.hint == hint
        assert not hasattr(kind, name)


@pytest.mark.parametrize("registry", lamindb_names.ARGUMENTS)
def test_unsupported_lamindb_argument_names_the_replacement(registry: str) -> None:
    for name, hint in lamindb_names.ARGUMENTS[registry].items():
        with pytest.raises(errors.NotHere) as caught:
            getattr(ln, registry)(**{name: "value"})
        assert caught.value.hint == hint


@pytest.mark.parametrize("prefix", MODULES)
def test_module_names_the_replacement_of_unsupported_names_and_hides_them_from_dir(
    prefix: str,
) -> None:
    module = importlib.import_module(MODULES[prefix])
    for name in module._NOT_HERE:
        with pytest.raises(errors.NotHere):
            getattr(module, name)
    assert [name for name in dir(module) if name in module._NOT_HERE] == []
    with pytest.raises(AttributeError, match="no_such"):
        module.no_such  # noqa: B018


def test_unknown_argument_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(errors.FieldValidationError, match="did you mean description"):
        ln.ULabel(name="x", descripton="y")  # type: ignore[call-arg]


def test_former_name_of_a_field_names_the_field(instance: Instance) -> None:
    with pytest.raises(errors.InvalidArgument, match="did you mean key"):
        ln.Transform.get(name="fit.py")
    with pytest.raises(errors.InvalidArgument, match="known are: attempt,"):
        ln.Run.filter(reports="x")


def test_branches_are_ignored_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    lamindb_names._warned.discard("branch")
    with caplog.at_level(logging.WARNING, logger="lamin"):
        labels = [ln.ULabel(name=name, branch="main") for name in ("a", "b")]  # type: ignore[call-arg]
    assert [label.name for label in labels] == ["a", "b"]
    assert caplog.text.count("branch= is ignored") == 1


def test_lamindb_arguments_without_effect_are_accepted(
    embedded: Instance, in_tmp_path: Path
) -> None:
    Path("a.txt").write_text("a")
    arguments: dict[str, Any] = {"skip_hash_lookup": True, "key_is_virtual": True, "version": None}
    assert ln.Artifact("a.txt", key="b.txt", **arguments).save().load() == "a"


def test_settings_have_the_attributes_of_lamindb(embedded: Instance) -> None:
    facts = ln.settings.instance
    assert ln.settings.storage.root == Path(embedded.storage)
    assert (ln.settings.storage.type, ln.settings.storage.type_is_cloud) == ("local", False)
    assert facts.slug == f"{facts.owner}/{facts.name}"
    assert facts == ln.setup.settings.instance
    assert ln.settings.user.handle == facts.owner == ln.setup.settings.user
    assert ln.settings.instance_uid == embedded.uid
    ln.settings.creation.search_names = False
    assert ln.setup.settings.storage == embedded.storage
    assert ln.setup.settings.cache_dir.name == "cache"
    with pytest.raises(AttributeError, match="did you mean verbosity"):
        ln.settings.verbosit  # noqa: B018
    with pytest.raises(errors.NotHere, match="auto_connect"):
        ln.setup.settings.auto_connect  # noqa: B018


def test_unsaved_artifact_can_be_loaded_and_described(instance: Instance) -> None:
    ln.Feature(name="dose", dtype=float).save()
    table = pd.DataFrame({"n": [1, 2]})
    artifact = ln.Artifact.from_df(table, key="a.parquet", features={"dose": 2})
    pd.testing.assert_frame_equal(artifact.load(pd.DataFrame), table)
    assert artifact.save().features.get_values() == {"dose": 2.0}
    again = ln.Artifact.from_df(table, key="a.parquet", features={"dose": 3}).save()
    assert (again, again.features["dose"]) == (artifact, [2.0, 3.0])
    for features, message in (({"doze": 1}, "doze"), ({"dose": "high"}, "dose")):
        with pytest.raises(errors.ValidationError, match=message):
            ln.Artifact.from_df(table, key="b.parquet", features=features).save()
    with pytest.raises(errors.InvalidArgument, match="not a dict"):
        ln.Artifact.from_df(table, key="b.parquet", features=["dose"])
    with pytest.raises(errors.NotHere):
        ln.Artifact.from_df(table, key="b.parquet", version="1")
    assert ln.Artifact.count() == 1
    Path("gone.txt").write_text("x")
    gone = ln.Artifact("gone.txt", key="gone.txt")
    assert gone.load() == "x"
    Path("gone.txt").unlink()
    with pytest.raises(errors.NotFound, match=r"gone\.txt"):
        gone.load()


def test_view_shows_the_latest_of_each_registry(
    embedded: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    ln.save([ln.ULabel(name=f"label {number}") for number in range(9)])
    ln.Project(name="<b>bold\x1b[2J").save()
    ln.view(limit=2)
    text = capsys.readouterr().out
    assert "ULabel: 2 of 9" in text
    assert ("label 8" in text, "label 6" in text, "Artifact" in text) == (True, False, False)
    assert "\x1b" not in text
    ln.view(registries=["bionty.CellType"])
    ln.view(modules="bionty")
    assert capsys.readouterr().out == ""
    ln.view(df=pd.DataFrame({"n": [1, 2]}, index=["a", "b"]), limit=1)
    assert "1 of 2 rows\n   n\na  1" in capsys.readouterr().out
    with pytest.raises(errors.InvalidArgument, match="there is no module 'wetlab'"):
        ln.view(modules=["wetlab"])
    with pytest.raises(errors.InvalidArgument, match="there is no registry 'Artefact'"):
        ln.view(registries=["Artefact"])
    page = as_html("Project: 1", ln.Project.df())
    assert "&lt;b&gt;bold" in page
    assert "Project: 1" in page


def test_lamindb_exception_names_are_aliases() -> None:
    for name in ("DoesNotExist", "ObjectDoesNotExist"):
        assert getattr(errors, name) is errors.NotFound is ln.Artifact.DoesNotExist
    assert errors.MultipleResultsFound is errors.MultipleFound is ln.Run.MultipleObjectsReturned
    assert errors.NoWriteAccess is errors.ReadOnly
    assert errors.TrackNotCalled is errors.NotTracked


def test_using_accepts_only_the_current_instance(embedded: Instance) -> None:
    assert ln.User.using(None).count() == ln.User.using(embedded.uid).count()
    with pytest.raises(errors.NotHere, match="laminlabs/cellxgene"):
        ln.Artifact.using("laminlabs/cellxgene")


def test_init_takes_a_name_and_modules(in_tmp_path: Path) -> None:
    typed("init", "--name", "mine", "--modules", "bionty")
    assert 'name = "mine"' in Path(".lamin/instance.toml").read_text()
    typed("init", "--modules", "wetlab", code=2)
    typed("init", "--name", "a/b", code=2)


def test_from_dir_save_saves_all_files_of_a_folder(instance: Instance, in_tmp_path: Path) -> None:
    Path("many").mkdir()
    for name in ("a.txt", "b.txt"):
        Path("many", name).write_text(name)
    saved = ln.Artifact.from_dir("many").save()
    assert [artifact.key for artifact in saved] == ["many/a.txt", "many/b.txt"]
    assert ln.Artifact.count() == 2


def test_from_df_with_a_second_positional_argument_is_refused(embedded: Instance) -> None:
    with pytest.raises(errors.InvalidArgument, match="one argument without a name: 'counts'"):
        ln.Artifact.from_df(pd.DataFrame({"n": [1]}), "counts")


def test_artifacts_have_relations_to_all_biological_registries(embedded: Instance) -> None:
    Path("a.txt").write_text("a")
    artifact = ln.Artifact("a.txt", key="a.txt").save()
    names = {name for part in ln._BIOLOGICAL.values() for name in part}
    relations = {name for name in names if name.islower()}
    assert all(list(getattr(artifact, name).all()) == [] for name in relations)
    from lamin_core.ontology.links import plural  # not before: the relations load it themselves
    from lamin_core.ontology.registries import REGISTRIES

    assert {plural(registry) for registry in REGISTRIES} == relations
    assert {registry.__name__ for registry in REGISTRIES} == names - relations


def test_transforms_have_predecessors_and_successors(embedded: Instance) -> None:
    for key, source, target in (("a.py", None, "a.csv"), ("b.py", "a.csv", "b.csv")):
        ln.track(key=key)
        if source is not None:
            ln.Artifact.get(key=source).cache()
        Path(target).write_text(key)
        ln.Artifact(target, key=target).save()
        ln.finish()
    first, second = ln.Transform.get(key="a.py"), ln.Transform.get(key="b.py")
    assert list(second.predecessors) == [first]
    assert list(first.successors) == [second]
    assert list(first.predecessors) == list(second.successors) == []


def test_schemas_have_members_and_optionals(embedded: Instance) -> None:
    age, batch = (
        ln.Feature(name="age", dtype=int).save(),
        ln.Feature(name="batch", dtype=str).save(),
    )
    schema = ln.Schema([batch.with_config(optional=True), age]).save()
    assert schema.members.to_list("name") == ["batch", "age"]
    assert list(schema.optionals) == [batch]


def test_dir_lists_only_public_names(embedded: Instance) -> None:
    for thing in (ln.Artifact, ln.ULabel(name="x"), ln.Schema, ln, ln.settings, ln.context):
        hidden = [name for name in dir(thing) if name.startswith("_") and not name.startswith("__")]
        assert hidden == []
        assert {"metadata", "registry"}.isdisjoint(dir(thing))
    assert {"save", "name", "artifacts"} <= set(dir(ln.ULabel(name="x")))


def test_describe_shows_labels_of_registries_not_yet_loaded(embedded: Instance) -> None:
    import lamin_core.bionty as bt

    Path("a.txt").write_text("a")
    artifact = ln.Artifact("a.txt", key="a.txt").save()
    artifact.cell_types.add(bt.CellType(name="my cell").save())
    assert "cell_types:   my cell" in lamin("describe", "a.txt").stdout


VARIANTS = {
    "with_typo": "'IFNJ' (did you mean 'IFNG'?)",
    "with_cell_type_synonym": "1 synonym in feature 'cell_type_by_expert': 'B-cell' for 'B cell'",
    "with_cell_type_typo": "did you mean 'CD8-positive, alpha-beta T cell'",
    "with_wrong_subtype": "'ulabel_but_not_perturbation'",
}
"""What the schema of the example answers to each variant of its dataset."""


def test_example_schemas_accept_their_dataset_and_refuse_its_variants(embedded: Instance) -> None:
    pytest.importorskip("cellxgene_ontology_guide", reason="the extra 'ontology' is not installed")
    mini = ln.examples.datasets.mini_immuno
    schema = mini.define_mini_immuno_schema_flexible()
    artifact = ln.Artifact.from_df(mini.get_dataset1(), key="1.parquet", schema=schema).save()
    assert artifact.schema == schema
    for variant, message in VARIANTS.items():
        curator = ln.curators.DataFrameCurator(mini.get_dataset1(**{variant: True}), schema)
        with pytest.raises(errors.ValidationError) as caught:
            curator.validate()
        assert message in str(caught.value)
    cells = ln.examples.schemas.anndata_ensembl_gene_ids_and_valid_features_in_obs()
    adata = mini.get_dataset1(otype="AnnData")
    saved = ln.Artifact.from_anndata(adata, key="1.h5ad", schema=cells).save()
    sets = ln.FeatureSet.filter(genes=ln.bionty.Gene.get(symbol="CD4"))
    assert ln.Artifact.filter(feature_sets__in=sets).one() == saved
    outdated = mini.get_dataset1(otype="AnnData", with_outdated_gene=True)
    with pytest.raises(errors.ValidationError, match=r"slot 'var.T': .*'ENSG00000278198'"):
        ln.curators.AnnDataCurator(outdated, cells).validate()


def test_unsupported_examples_name_the_supported_ones() -> None:
    for module, name in (
        (ln.examples, "croissant"),
        (ln.examples.datasets, "file_fcs_alpert19"),
        (ln.examples.schemas, "anndata_uns_schema"),
    ):
        with pytest.raises(errors.NotHere) as caught:
            getattr(module, name)
        assert caught.value.hint
        assert not hasattr(module, "_private")


@pytest.mark.parametrize(
    ("name", "hint"), [("params", "ln.track(params="), ("run", "before"), ("anything", "before")]
)
def test_context_attribute_without_effect_cannot_be_set(name: str, hint: str) -> None:
    with pytest.raises(errors.NotHere, match="cannot be set") as caught:
        setattr(ln.context, name, 1)
    assert hint in str(caught.value.hint)
