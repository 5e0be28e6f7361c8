"""Rules, templates, what is for the wall only: made for one configuration and one receiver.

What is shipped in provisioning/alerting/ is made for the default configuration by the same code.
"""

from collections.abc import Mapping, Sequence

from flowsleuth.config import Config
from flowsleuth.config.units import SECOND
from flowsleuth.grafana import contacts
from flowsleuth.grafana.alerting import write
from flowsleuth.grafana.alerting.constants import Constants
from flowsleuth.provision.connection import Json
from flowsleuth.provision.dashboards import lowest_floor

SMALL_SHARE = 0.5
"""Rules name nobody a culprit who sends less than such a part of the lowest floor."""


MOST_HOSTS = 1000
"""Each message's template holds all names, and Grafana reads it for each message."""


def constants(config: Config) -> Constants:
    """Return what the queries stand on for this configuration."""
    return Constants(
        window=config.window_ns // SECOND,
        detail=config.influx.detail_prefix,
        small=round(SMALL_SHARE * lowest_floor(config)),
    )


def documents(config: Config, receiver: str, hosts: Mapping[str, str]) -> list[Json]:
    """Return what the files say.

    receiver: whom rules tell, "" where policies choose; hosts: names by address, for messages.
    """
    runbook = config.grafana.runbook
    made = write.documents(constants(config), receiver, config.services, named(hosts), runbook)
    return [made[name] for name in sorted(made)]


def named(hosts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the names that messages know: all, or none where there are too many for a template."""
    return hosts if len(hosts) <= MOST_HOSTS else {}


def muted(rule: Json, silent: Sequence[str]) -> Json:
    """Return a rule that is silent in these mute timings; what tells nobody needs none."""
    told = rule.get("notification_settings")
    if not silent or not told or told["receiver"] == contacts.WALL:
        return rule
    every = dict.fromkeys([*told.get("mute_time_intervals", ()), *silent])
    return {**rule, "notification_settings": {**told, "mute_time_intervals": list(every)}}
