"""Values of categorical features in events are labels; a schema that a dataset was found to fit is its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lamin_core as ln
from lamin_core.instance.instance import Instance
from openlineage.lamin.emit import facets
from openlineage.lamin.emit.events import Dataset, Event, complete, start
from openlineage.lamin.receive.ingest import ingest
from openlineage.lamin.receive.parse import parse
from openlineage.lamin.receive.rebuild import rebuild

from .conftest import at, run_of


def output(number: int, values: Mapping[str, Any], schema: str | None = None) -> list[Event]:
    """The events of a run that writes a file with these values of features."""
    run = run_of(number, "count")
    described = {
        "lamin_features": facets.lamin_features(values, schema=schema),
        "tags": facets.tags("Dataset", [("counted", "")]),
    }
    dataset = Dataset("file", "/lab/counts.csv", hash=f"{number:032x}", facets=described)
    end = complete(run, at(number + 0.5), outputs=[dataset])
    end["run"]["facets"]["lamin_features"] = facets.lamin_features(values, "Run")
    return [start(run, at(number)), end]


def test_categorical_feature_values_in_events_label_the_version(connected: Instance) -> None:
    tissues = ln.ULabel(name="Tissue", is_type=True).save()
    ln.save([ln.ULabel(name=name, type=tissues) for name in ("liver", "blood")])
    assay = ln.ULabel(name="bulk").save()
    ln.Feature(name="tissue", dtype="list[cat[ULabel[Tissue]]]").save()
    ln.Feature(name="assay", dtype=ln.ULabel).save()
    ln.Feature(name="project", dtype=ln.Project).save()
    ln.Project(name="atlas").save()
    schema = ln.Schema(name="counts", features=[ln.Feature(name="n", dtype=int).save()]).save()
    first = {"assay": "bulk", "tissue": ["liver", "bulk"], "project": "atlas", "n": 3}
    second = {"tissue": ["blood", "unknown"], "assay": 7}
    events = output(1, first, schema.uid) + output(2, second, "no such schema")
    ingest(connected.db, map(parse, events))
    for _ in range(2):
        old, new = ln.Artifact.filter(key__endswith="counts.csv").order_by("number")
        values = old.features.get_values()
        assert values == {"assay": "bulk", "tissue": ["liver"], "project": "atlas", "n": 3}
        assert new.features.get_values() == {"tissue": ["blood"]}
        assert (old.schema, new.schema) == (schema, None)
        assert ln.Artifact.filter(assay=assay).one() == old
        assert old.run.features.get_values() == values
        assert {label.name for label in new.ulabels} == {"blood", "counted"}
        ingest(connected.db, map(parse, events))
        rebuild(connected.db)


def test_later_event_replaces_the_labels_of_features(connected: Instance) -> None:
    ln.save([ln.ULabel(name=name) for name in ("a", "b")])
    ln.Feature(name="group", dtype=ln.ULabel).save()
    ingest(connected.db, map(parse, output(1, {"group": "a"})))
    artifact = ln.Artifact.filter(key__endswith="counts.csv").one()
    assert artifact.features.get_values() == {"group": "a"}
    run = run_of(1, "count")
    described = {"lamin_features": facets.lamin_features({"group": "b"})}
    dataset = Dataset("file", "/lab/counts.csv", hash=f"{1:032x}", facets=described)
    ingest(connected.db, map(parse, [complete(run, at(9), outputs=[dataset])]))
    assert artifact.features.get_values() == {"group": "b"}
    assert {label.name for label in artifact.ulabels} == {"b", "counted"}
