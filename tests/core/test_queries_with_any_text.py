"""Whatever text people type into a lookup, a search or an order: an answer or our own error, and the tables stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamin_core as ln
from lamin_core.errors import LaminError
from lamin_core.instance.instance import Instance
from lamin_core.query.operators import OPERATORS
from lamin_core.runtime import current

NAMES = [
    "alpha",
    "Beta",
    "100%",
    "a_b",
    "x'; DROP TABLE ulabel; --",
    'say "hi"',
    "back\\slash",
    "ünï",
    "$.a",
    "{0}",
    ":name",
]
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(NAMES),
    st.text(alphabet="'\"\\%_;-()*?[]{}$^|+.:@ \0\n\ud800aZ0", max_size=20),
)
values = st.one_of(
    texts,
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.lists(texts, max_size=3),
    st.binary(),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def instance(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """One for all examples, on each database."""
    folder = tmp_path_factory.mktemp("any")
    name = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        name = server.create()
    url = None if name is None else server.url(name)
    new_instance = Instance.create(folder, Path(folder, "data"), url)
    current.set_current_instance(new_instance)
    ln.save([ln.ULabel(name=label_name, description=label_name[::-1]) for label_name in NAMES])
    ln.Feature(name="temperature", dtype=float).save()
    ln.Feature(name="remark", dtype=str).save()
    yield new_instance
    current.set_current_instance(None)
    new_instance.db.dispose()


def result_or_none(question: Any) -> Any:
    """The answer; our own errors are answers, others are not."""
    try:
        return question()
    except LaminError:
        return None


few = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@few
@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    value=values,
    field=st.sampled_from(["name", "is_type", "created_at"]),
)
def test_lookups_of_any_text_answer_or_raise_lamin_error(
    instance: Instance, operator: str, value: Any, field: str
) -> None:
    result_or_none(lambda: ln.ULabel.filter(**{f"{field}__{operator}": value}).to_list())
    result_or_none(lambda: ln.ULabel.exclude(**{f"{field}__{operator}": value}).count())
    assert ln.ULabel.count() == len(NAMES)


@few
@given(text=texts)
def test_text_lookups_compare_like_python(instance: Instance, text: str) -> None:
    expected = {
        "exact": lambda name: name == text,
        "contains": lambda name: text in name,
        "startswith": lambda name: name.startswith(text),
        "endswith": lambda name: name.endswith(text),
    }
    for operator, holds in expected.items():
        names = result_or_none(
            lambda operator=operator: {
                label.name for label in ln.ULabel.filter(**{f"name__{operator}": text})
            }
        )
        assert names is None or names == {name for name in NAMES if holds(name)}, operator


@few
@given(text=texts)
def test_searches_for_any_text_answer_or_raise_lamin_error(instance: Instance, text: str) -> None:
    labels = result_or_none(lambda: ln.ULabel.search(text).to_list())
    if text in NAMES:
        assert text in [label.name for label in labels]
    result_or_none(lambda: ln.Artifact.search(text).to_list())
    result_or_none(lambda: ln.Run.search(text).to_list())


@few
@given(text=texts, value=values)
def test_field_order_feature_and_path_names_of_any_text_answer_or_raise_lamin_error(
    instance: Instance, text: str, value: Any
) -> None:
    questions: list[Any] = [
        lambda: ln.ULabel.filter(**{text: value}).to_list(),
        lambda: ln.ULabel.filter(**{f"name__{text}": value}).to_list(),
        lambda: ln.Run.filter(**{f"params__{text}": value}).to_list(),
        lambda: ln.Artifact.filter(**{text: value}).to_list(),
        lambda: ln.Artifact.filter(temperature__gt=value, remark__contains=text).to_list(),
        lambda: ln.ULabel.order_by(text).to_list(),
        lambda: ln.ULabel.df(include=[text]),
        lambda: ln.ULabel.get(text),
        lambda: ln.ULabel.get(name=text),
        lambda: ln.ULabel.validate([text]),
        lambda: ln.ULabel.standardize([text]),
        lambda: ln.ULabel.from_values([text]),
        lambda: ln.ULabel.all().values_list(text),
    ]
    for question in questions:
        result_or_none(question)
    assert ln.ULabel.count() == len(NAMES)
