"""Networks, service ports, names and sampling: what the configuration knows of a record."""
