"""GNU make, recorded: `python -m lamin_make` instead of `make`."""
