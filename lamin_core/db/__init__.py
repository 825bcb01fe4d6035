"""The database: engine, sessions, write lock, bulk statements."""
