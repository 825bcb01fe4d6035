"""The receive half: parse events, fold them into runs, write them into a registry."""
