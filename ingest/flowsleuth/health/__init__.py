"""What the ingester says of itself: its measurement, its log line, `/healthz` and `/metrics`."""
