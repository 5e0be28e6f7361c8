"""All alert rules; a new one is added here."""

from flowsleuth.grafana.alerting import above, attacks, bounds, exporters, heavies, ingesters
from flowsleuth.grafana.alerting.rule import Rule


def rules() -> list[Rule]:
    """Return the rules in the order in which the docs list them."""
    return [rule for room in ROOMS for rule in room.rules()]


ROOMS = (above, bounds, heavies, attacks, exporters, ingesters)
