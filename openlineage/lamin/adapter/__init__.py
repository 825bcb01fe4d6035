"""The kit that adapters share; `docs/new-engine.md` shows one that is made of it."""
