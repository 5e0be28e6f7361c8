"""From tables to InfluxDB: line protocol, and the places where it goes.

`lines` makes line protocol, `output` puts it into a file, `setup` prepares an InfluxDB 1.8 or 2.x,
`influx` writes to it from a thread of its own, `backlog` and `spool` hold what waits, `server` is
what all of them know of the server.
"""
