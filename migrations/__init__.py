"""The schema's history, one for SQLite and PostgreSQL; `storage.migrations` applies it."""
