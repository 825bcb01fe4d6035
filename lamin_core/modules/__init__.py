"""Registry modules: packages that define registries of their own, and their migrations."""
