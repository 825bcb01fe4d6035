"""The shell of make: `record.mk` has it run each recipe, the last argument, with `/bin/sh`."""

from __future__ import annotations

import os
import subprocess
import sys

from lamin_core.runtime.parent_context import parent_from_environment
from lamin_core.uids import new_run_id
from lamin_make import translate
from lamin_make.recording import Recording
from openlineage.lamin.emit.events import RunReference


def main() -> int:
    """Run the recipe, recorded where it belongs to a target; returns its exit status."""
    recipe = sys.argv[-1]
    command = ["/bin/sh", "-ec", recipe]
    workflow = parent_from_environment()
    if workflow is None or not os.environ.get("MAKE_STEP_TARGET"):  # `$(shell ...)` in the Makefile
        return subprocess.call(command)
    step = translate.step_from(os.environ, recipe)
    run = translate.step_run(
        new_run_id(),
        step,
        os.environ["MAKE_VERSION_USED"],
        RunReference.of(workflow),
        RunReference.of(workflow.outermost),
    )
    return Recording(run).call(command, step.inputs, step.outputs)


if __name__ == "__main__":
    sys.exit(main())
