"""The engineer's afternoon: which windows are above normal, who carried them, and when before."""
