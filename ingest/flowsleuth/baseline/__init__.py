"""What is normal: read from the history in InfluxDB, written as `baseline` points."""
