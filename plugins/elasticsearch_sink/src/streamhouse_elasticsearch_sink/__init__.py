"""The elasticsearch-sink: writes documents to Elasticsearch indices."""
