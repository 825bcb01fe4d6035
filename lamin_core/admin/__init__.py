"""Checks of an instance and of this machine, and backups."""
