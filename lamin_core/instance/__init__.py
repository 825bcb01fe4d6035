"""An instance: a database, its storages, and the services on top of both."""
