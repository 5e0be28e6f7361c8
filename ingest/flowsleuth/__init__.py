"""FlowSleuth: NetFlow into the InfluxDB and Grafana that people already run.

Data flows one way: receive, decode, enrich, aggregate, write. Each room's own first lines
say what it does and why that way; docs/design.md has the whole.
"""

__version__ = "0.1.0"
