"""Findings as one HTML file: pictures are SVG in it, styles too, and nothing is loaded.

Whoever is mailed it sees all of it, without a network and without a script. Names come from the
configuration and from captures, so the template escapes everything.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from flowsleuth.hunt.findings import MEANING, Finding
from flowsleuth.hunt.links import to_grafana
from flowsleuth.hunt.pictures import picture
from flowsleuth.hunt.telling import Teller, octets, share


def page(findings: Sequence[Finding], teller: Teller, grafana: str = "") -> str:
    """Return the report; grafana: its URL, '' where there is none."""
    environment = Environment(
        loader=PackageLoader("flowsleuth.hunt", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    return template.render(
        findings=[
            {
                "one": one,
                "picture": picture(one, teller),
                "link": to_grafana(grafana, one, teller.window_ns) if grafana else "",
                "facts": list(teller.facts(one)),
            }
            for one in findings
        ],
        teller=teller,
        meaning=MEANING,
        octets=octets,
        share=share,
        made=datetime.now(UTC).astimezone(teller.zone),
    )
