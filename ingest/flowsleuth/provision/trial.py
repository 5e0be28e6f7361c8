"""`--test`: the demo's alert through a receiver, by the button that Grafana has for that.

Grafana makes no alert of it: the message is made by the receiver's own templates and sent once.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from flowsleuth.errors import ServiceError
from flowsleuth.grafana.alerting.rule import FOLDER
from flowsleuth.grafana.links import UIDS
from flowsleuth.provision import contacts
from flowsleuth.provision.connection import Grafana, Json, Refused
from flowsleuth.provision.stamps import NAME

Alert = dict[str, dict[str, str]]
"""Labels and annotations."""


def demo_alert(root: str) -> Alert:
    """Return the alert of the demo's story as its rule would word it; root: of its links."""
    chosen = "&".join(f"var-{key}={value}" for key, value in LABELS.items() if key != "severity")
    link = f"{root}d/{UIDS['hunt']}?{chosen}&from=now-3h&to=now"
    labels = {"alertname": TITLE, "grafana_folder": FOLDER, **LABELS}
    return {"labels": labels, "annotations": {**ANNOTATIONS, "link": link}}


TITLE = "Traffic above normal (a test)"

LABELS = {
    "severity": "warning",
    "network": "Green",
    "direction": "out",
    "protocol": "udp",
    "address": "10.1.42.17",
    "port": "14857",
}

WHAT = "Green out 118Mbit/s, normal ≤21M"
WHO = "10.1.42.17 udp/14857 84 %, to 4 peers"
SO_FAR = "7.5GB so far"
EARLIER = "this port: 3rd time in 14 days, last 4 d ago; this host: new in 14 days"

ANNOTATIONS = {
    "summary": f"{WHAT}: {WHO}; {SO_FAR}; {EARLIER}",
    "what": WHAT,
    "who": WHO,
    "so_far": SO_FAR,
    "earlier": EARLIER,
    "advice": "Nothing to do: this is a test, of a story that `flowsleuth demo` tells.",
    "alert": TITLE,
    "began": "300",
    "ended": "780",
}
"""What the rule flowsleuth-above-host-fast says beside its link."""

PATH = "/alertmanager/grafana/config/api/v1/receivers/test"


def send(grafana: Grafana, receiver: str, alert: Alert) -> list[str]:
    """Send an alert through a receiver; return a line for each integration.

    Raises ServiceError where any of them does not take it.
    """
    there = [one for one in contacts.listed(grafana) if one["name"] == receiver]
    body = {"receivers": [_receiver(receiver, there)], "alert": alert}
    try:
        said: Any = grafana.send("POST", PATH, body)
    except Refused as refused:
        raise ServiceError(f"the test alert: {refused}") from None
    results = list(_results(said))
    if failed := [line for line, well in results if not well]:
        raise ServiceError(f"the test alert did not pass {receiver}: {'; '.join(failed)}")
    return [line for line, _ in results]


def _receiver(name: str, there: Iterable[Json]) -> Json:
    """Return a receiver as it is: Grafana puts in the secrets that it does not give away."""
    return {
        "name": name,
        "grafana_managed_receiver_configs": [
            {
                "uid": one["uid"],
                "name": one["name"],
                "type": one["type"],
                "disableResolveMessage": one.get("disableResolveMessage", False),
                "settings": {
                    key: value
                    for key, value in one["settings"].items()
                    if value != contacts.REDACTED and key != NAME
                },
            }
            for one in there
        ],
    }


def _results(said: Any) -> Iterator[tuple[str, bool]]:
    for receiver in said.get("receivers") or []:
        for one in receiver.get("grafana_managed_receiver_configs") or []:
            well = one.get("status") == "ok"
            fault = "" if well else f": {' '.join(str(one.get('error', 'failed')).split())}"
            yield f"{one.get('uid') or one.get('name')}: {one.get('status')}{fault}", well
