"""A link into Grafana: the page Hunt with this finding's filters, and its window with some air."""

from urllib.parse import urlencode

from flowsleuth.grafana.links import UIDS
from flowsleuth.hunt.findings import Finding

AIR = 0.5
"""Of the finding's length, before and after it."""

LEAST_AIR_MS = 600_000


def to_grafana(grafana: str, one: Finding, window_ns: int) -> str:
    """Return the link; grafana: its URL, without a slash at its end."""
    told = one.culprit
    begin, end = told.first * window_ns // 1_000_000, told.last * window_ns // 1_000_000
    air = max(round((end - begin) * AIR), LEAST_AIR_MS)
    chosen = {
        "network": told.series.network,
        "direction": told.series.direction,
        "protocol": told.series.protocol,
        "address": told.inside,
        "port": told.port,
    }
    query = {f"var-{name}": value for name, value in chosen.items() if value is not None}
    return f"{grafana}/d/{UIDS['hunt']}?" + urlencode(
        {**query, "from": begin - air, "to": end + air}
    )
