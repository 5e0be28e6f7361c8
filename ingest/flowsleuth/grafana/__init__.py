"""Grafana: the dashboards as Python, from which `dashboards/*.json` is written."""
