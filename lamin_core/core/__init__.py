"""Data for the walkthrough: `ln.core.datasets`."""

from lamin_core.core import datasets as datasets
