"""Validation of events: the official JSON schema, and lint rules."""
