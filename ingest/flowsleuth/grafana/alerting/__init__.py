"""Alert rules, their messages and where these go, as files that Grafana reads."""
