"""The postgres-sink: writes rows to PostgreSQL tables."""
