"""All that `doctor` can find, in one table: docs/troubleshooting.md and the tests walk it.

Whoever adds a check adds its kind here; a finding names its kind, says what it saw with names and
numbers, and gives the commands that mend it.
"""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is: `WRONG` makes the exit status 1."""

    GOOD = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trouble: its name, how bad it is, and what somebody sees who has it."""

    name: str
    level: Level
    symptom: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, in one line, and the commands that mend it; kind None: all is well there."""

    kind: Kind | None
    said: str
    mend: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """How bad it is."""
        return self.kind.level if self.kind is not None else Level.GOOD


NOTHING_SHOWN = "The dashboards are empty"
WRONG_TIMES = "Traffic is at the wrong time"
WRONG_SUMS = "The sums are too high or too low"
LATE = "A spike shows late, or flat"
GAPS = "There are gaps"
NO_NAMES = "Everything is in `unassigned`"
ALERTS = "Alerts do not come, or come wrongly"
NO_PANELS = "A panel shows an error"

SYMPTOMS = (
    NOTHING_SHOWN, NO_PANELS, NO_NAMES, WRONG_SUMS, WRONG_TIMES, LATE, GAPS, ALERTS,
)  # fmt: skip
"""What somebody comes with, in the order in which the page has them."""


def _wrong(name: str, symptom: str, meaning: str) -> Kind:
    return Kind(name, Level.WRONG, symptom, meaning)


def _note(name: str, symptom: str, meaning: str) -> Kind:
    return Kind(name, Level.NOTE, symptom, meaning)


NO_DATAGRAMS = _wrong(
    "no-datagrams", NOTHING_SHOWN,
    "No NetFlow reaches this machine: the exporter does not send, or sends elsewhere.",
)  # fmt: skip
WRONG_PORT = _wrong(
    "wrong-port", NOTHING_SHOWN,
    "NetFlow reaches this machine at a port where nobody listens.",
)  # fmt: skip
FIREWALL = _wrong(
    "firewall", NOTHING_SHOWN,
    "NetFlow for the right port reaches the network card, and not the socket: this machine's "
    "firewall drops it.",
)  # fmt: skip
PORT_TAKEN = _wrong("port-taken", NOTHING_SHOWN, "Another program listens on the port.")
NOT_RUNNING = _note(
    "not-running", NOTHING_SHOWN,
    "`collect` is not running; doctor listened in its place.",
)  # fmt: skip
NOT_ALIVE = _wrong("not-alive", NOTHING_SHOWN, "`collect` runs, and says that it is not well.")
UNLISTED = _wrong(
    "unlisted", NOTHING_SHOWN,
    "`exporters_only` is set, and datagrams come from exporters that are not listed.",
)  # fmt: skip
INFLUX_AWAY = _wrong("influxdb-away", NOTHING_SHOWN, "InfluxDB does not answer, or is none.")
TOKEN_REFUSED = _wrong("token-refused", NOTHING_SHOWN, "InfluxDB does not accept `influx.token`.")
TOKEN_LIMITED = _note(
    "token-without-organisation", NOTHING_SHOWN,
    "`influx.token` sees no organisation, so it cannot create buckets. That is as it should be for "
    "a token that is limited to its buckets, once somebody else has created them.",
)  # fmt: skip
ORGANISATION = _wrong(
    "organisation", NOTHING_SHOWN, "`influx.org` is missing, or InfluxDB finds none of that name."
)
DATABASE_MISSING = _wrong("database-missing", NOTHING_SHOWN, "The database or bucket is not there.")
RETENTION_MISSING = _wrong(
    "retention-missing", NO_PANELS,
    "The retention policy (1.8) or bucket (2.x) of the detail measurements is not there.",
)  # fmt: skip
RETENTION_DIFFERS = _note(
    "retention-differs", GAPS,
    "InfluxDB keeps points for another time than the configuration says. FlowSleuth never changes "
    "what it has not created.",
)  # fmt: skip
NO_DBRP = _wrong(
    "no-dbrp", NO_PANELS,
    "The bucket takes points, and InfluxQL, in which Grafana asks, does not find it: it has no "
    "DBRP mapping.",
)  # fmt: skip
STALE = _wrong("stale", NOTHING_SHOWN, "`collect` runs, and InfluxDB has no new points of it.")
NO_MATCH = _wrong(
    "networks-without-match", NO_NAMES,
    "No traffic matches any configured network: their prefixes are not those of this site.",
)  # fmt: skip
EMPTY_NETWORK = _note(
    "network-empty", NO_NAMES, "A configured network has had no traffic for a day."
)
UNASSIGNED = _note(
    "unassigned", NO_NAMES, "More than half of the traffic touches no configured network."
)
CLOCK = _wrong(
    "clock", WRONG_TIMES,
    "An exporter's clock is off by more than two minutes. Its times are shifted by that, and so "
    "marked.",
)  # fmt: skip
SAMPLING = _wrong(
    "sampling-unknown", WRONG_SUMS,
    "An exporter samples and does not say at which rate: its bytes count once instead of N times.",
)  # fmt: skip
DUPLICATES = _note(
    "duplicates", WRONG_SUMS, "Flows seem to be exported twice: ingress and egress, or two routers."
)
ACTIVE_TIMEOUT = _wrong(
    "active-timeout", LATE,
    "An exporter speaks of a long flow only when it ends, or after many minutes: before that, "
    "nobody can see it or be alerted of it.",
)  # fmt: skip
TEMPLATES = _wrong(
    "templates", GAPS,
    "Data waits for templates that the exporter has not sent (yet): they come too seldom.",
)  # fmt: skip
LOSS = _wrong(
    "loss", GAPS, "Sequence numbers have gaps: datagrams are lost on the way or in the kernel."
)
KERNEL_DROPS = _wrong("kernel-drops", GAPS, "The kernel dropped datagrams: the buffer was full.")
BUFFER = _note(
    "buffer", GAPS, "The kernel gives a smaller receive buffer than `receive_buffer` asks for."
)
SILENT = _wrong("silent", GAPS, "An exporter that was heard within a day sends nothing any more.")
CONFIGURATION = _note("configuration", ALERTS, "A setting has no effect.")
GRAFANA_UNKNOWN = _note(
    "grafana-unknown", NOTHING_SHOWN, "Nobody says where Grafana is, so it was not looked at."
)
GRAFANA_AWAY = _wrong("grafana-away", NOTHING_SHOWN, "Grafana does not answer, or refuses.")
SOURCE_MISSING = _wrong("data-source-missing", NO_PANELS, "Grafana lacks FlowSleuth's data source.")
SOURCE_FAILS = _wrong(
    "data-source-fails", NO_PANELS, "Grafana does not reach InfluxDB through the data source."
)
DASHBOARDS_MISSING = _wrong("dashboards-missing", NOTHING_SHOWN, "Grafana lacks dashboards.")
DASHBOARDS_OLD = _wrong(
    "dashboards-old", NO_PANELS, "The dashboards in Grafana are of another version than this."
)
RULES_MISSING = _wrong("rules-missing", ALERTS, "Grafana lacks alert rules.")
RULES_FAIL = _wrong("rules-fail", ALERTS, "Alert rules cannot be evaluated.")

KINDS: tuple[Kind, ...] = tuple(
    sorted(
        (kind for kind in list(globals().values()) if isinstance(kind, Kind)),
        key=lambda kind: SYMPTOMS.index(kind.symptom),
    )
)
"""All of them, by symptom; within one in the order above."""


def well(said: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(None, said)
