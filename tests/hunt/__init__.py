"""The hunt: what it finds in captures and in InfluxDB, and how it is told."""
