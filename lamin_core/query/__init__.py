"""Asking the registry: Django-style lookups, compiled to SQLAlchemy."""
