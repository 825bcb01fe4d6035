"""Parameters of runs that people make themselves are masked as those of tracked runs are."""

from __future__ import annotations

import pytest

import lamin_core as ln
from lamin_core.errors import InvalidArgument
from lamin_core.instance.instance import Instance


def test_run_params_with_secrets_are_masked_when_created_and_when_edited(
    instance: Instance,
) -> None:
    run = ln.Run(
        ln.Transform(key="seq").save(), params={"alpha": 0.1, "password": "hunter2"}
    ).save()
    assert ln.Run.get(run.uid).params == {"alpha": 0.1, "password": "***"}
    run.params = {"password": "hunter2", "url": "mysql://u:hunter2@h/d"}
    run.save()
    assert ln.Run.get(run.uid).params == {"password": "***", "url": "mysql://u:***@h/d"}


def test_run_params_that_are_not_a_dict_are_refused(instance: Instance) -> None:
    run = ln.Run(ln.Transform(key="seq").save()).save()
    run.params = "no"  # type: ignore[assignment]
    with pytest.raises(InvalidArgument, match="not parameters"):
        run.save()
    with pytest.raises(InvalidArgument, match="not parameters"):
        ln.Run(ln.Transform.get(key="seq"), params="no")  # type: ignore[arg-type]
