"""Large events: read piece by piece they have the same hash, and say the same, as read whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from openlineage.lamin.receive.json_reader import canonical, is_left_out, scan

_storable = st.characters(
    exclude_characters="\0", exclude_categories=["Cs"]
)  # others: test_json_reader.py
_plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_storable, max_size=20)
)
_names = st.sampled_from(["a", "é", 'q"\\', "facets", "schema", "inputs"]) | st.text(
    _storable, max_size=3
)
_anything = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=20,
)
_facets = st.dictionaries(_names, _anything, max_size=3)
_entity = st.fixed_dictionaries(
    {"namespace": st.just("n")}, optional={"facets": _facets, "inputFacets": _facets}
)
_event = st.fixed_dictionaries(
    {"eventTime": st.just("2026-01-01T00:00:00Z")},
    optional={
        "run": _entity,
        "job": _entity,
        "inputs": st.lists(_entity, max_size=2),
        "other": _anything,
    },
)
_LIMIT = 30


def _canonical_hash(value: Any) -> str:
    return blake3(canonical(value).encode()).hexdigest()


def _size(value: Any) -> int:
    return len(json.dumps(value, sort_keys=True, separators=(",", ":")))


@settings(max_examples=300, deadline=None)
@given(_event, st.sampled_from([None, 1]), st.booleans())
def test_scan_of_an_event_equals_reading_it_whole(
    event: dict[str, Any], indent: int | None, escaped: bool
) -> None:
    digest, reduced, _ = scan(json.dumps(event, indent=indent, ensure_ascii=escaped), _LIMIT)
    assert digest == _canonical_hash(event)
    parsed = json.loads(reduced)
    entities = [(event[name], parsed[name]) for name in ("run", "job") if name in event]
    for before, after in [
        *entities,
        *zip(event.get("inputs", []), parsed.get("inputs", []), strict=True),
    ]:
        for group in ("facets", "inputFacets"):
            for name, facet in before.get(group, {}).items():
                large = isinstance(facet, dict) and is_left_out(name, _size(facet), _LIMIT)
                assert (
                    ("lamin_omitted" in after[group][name])
                    if large
                    else (after[group][name] == facet)
                )
                if large:
                    assert after[group][name]["lamin_omitted"] == {
                        "event": digest,
                        "more_than": _LIMIT,
                    }
    assert parsed.get("other") == event.get("other")


def test_scan_of_long_lists_has_the_canonical_hash() -> None:
    rows = [{"n": number, "text": "é"} for number in range(2_500)]
    for value in (rows, {"run": {"facets": {"x": {"rows": rows[:1000]}}}}, rows[:999], []):
        assert scan(json.dumps(value), 10**6).digest == _canonical_hash(value)


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"}', '{"a":1,}', "[1,]", "[1 2]", '{"a":1} x', "{1:2}", "[", '{"a":1']
)
def test_scan_of_invalid_json_raises(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own errors and ours
        scan(text, 1)
