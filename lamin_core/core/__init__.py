"""What the walkthrough needs beside the registries: `ln.core.datasets`."""

from lamin_core.core import datasets as datasets
