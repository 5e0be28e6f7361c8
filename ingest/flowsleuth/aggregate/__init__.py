"""Windows, heavy hitters, the series budget: records go in, points come out."""
