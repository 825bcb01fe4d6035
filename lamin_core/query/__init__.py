"""Queries: Django-style lookups, compiled to SQLAlchemy."""
