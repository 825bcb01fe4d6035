"""`python -m lamin_core` is `lamin`."""

from lamin_core.cli import main

main()
