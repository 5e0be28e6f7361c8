"""Where a click leads: from a cell or a spike to the page that says more, its filters kept.

Each value of the points has one page of its own. Links are relative to Grafana's root, so that they
work under a path prefix too; Grafana completes them.
"""

from collections.abc import Mapping

from flowsleuth.grafana.panels import Json

UIDS = {
    name: f"flowsleuth-{name}"
    for name in ("wall", "networks", "network", "hunt", "host", "exporters")
}
"""The dashboards' uids, by their short names: a link that is bookmarked stays."""

KEPT = (
    "datasource",
    "network",
    "direction",
    "protocol",
    "address",
    "port",
    "site",
    "compare",
    "other",
)
"""Variables that a link hands on, where it says nothing else of them."""

AN_HOUR = 3_600_000
"""In ms, as links have it."""


ANEW = ""
"""The value of a variable which the page shall choose itself."""

WINDOW = "${__url_time_range}"
"""The window as it is."""


def to(page: str, title: str, **variables: str) -> Json:
    """Return a link to a page, the window kept.

    variables: what they are set to; a value may be ${__value.raw} and the like, or `ANEW`.
    """
    return _link(page, title, WINDOW, variables)


def _link(page: str, title: str, window: str, variables: Mapping[str, str]) -> Json:
    given = [f"var-{name}={value}" for name, value in variables.items() if value != ANEW]
    kept = [f"${{{name}:queryparam}}" for name in KEPT if name not in variables]
    return {"title": title, "url": f"/d/{UIDS[page]}?{'&'.join([*kept, *given, window])}"}


def crumb(page: str, title: str, sign: str = "‹") -> Json:
    """Return a link above a dashboard: the way back, or on, with all filters and the window."""
    return {
        "type": "link",
        "title": f"{sign} {title}",
        "url": f"/d/{UIDS[page]}",
        "keepTime": True,
        "includeVars": True,
        "asDropdown": False,
        "targetBlank": False,
        "icon": "",
        "tags": [],
        "tooltip": f"{title}, filters and window kept",
    }


def field(name: str) -> str:
    """Return what stands for another column of the same row in a table's link."""
    return f'${{__data.fields["{name}"]:percentencode}}'


VALUE = "${__value.raw:percentencode}"
"""The cell that was clicked."""


def label(name: str) -> str:
    """Return what stands for a series' tag in a graph's link."""
    return f"${{__field.labels.{name}:percentencode}}"


def narrow(
    page: str, title: str = "Narrow the window here", *, hours: int = 1, **variables: str
) -> Json:
    """Return a graph's or row's link which narrows the window to hours around the time clicked.

    What stands for the hours after its time wants twice as many, for the time is the middle.
    """
    window = f"time=${{__value.time}}&time.window={hours * AN_HOUR}"
    return _link(page, title, window, variables)
