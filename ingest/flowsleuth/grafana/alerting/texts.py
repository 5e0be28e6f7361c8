"""What a rule says: its annotations, as Grafana's server fills them in at each evaluation.

Each annotation is a piece of the message, and `summary` is all pieces in a line, for a receiver
that uses Grafana's own template. FlowSleuth's templates (`messages`) put the pieces together with
what only they know: when it began, the names of hosts and services, and links.

- what: who is concerned, how much against how much. Its first words must do on a phone;
- who: the culprit, its share, its peers;
- so_far: how much it was until now;
- earlier: how often it was seen before;
- advice: one sentence, what to do.

A value that a rule's nodes did not find is left out.
"""

from dataclasses import dataclass

PIECES = ("what", "who", "so_far", "earlier", "advice")


@dataclass(frozen=True, slots=True)
class Text:
    """The pieces of one message, as templates."""

    what: str
    who: str = ""
    so_far: str = ""
    earlier: str = ""
    advice: str = ""

    def annotations(self) -> dict[str, str]:
        """Return the annotations, without those that would be empty."""
        pieces = {name: getattr(self, name) for name in PIECES if getattr(self, name)}
        told = self.what + "".join(
            f"{between}{pieces[name]}" for name, between in _BETWEEN.items() if name in pieces
        )
        return {"summary": told, **pieces}


_BETWEEN = {"who": ": ", "so_far": "; ", "earlier": "; "}


def number(ref: str, unit: str) -> str:
    """Return a value with two or three digits and its prefix: 102M, 21M, 1.2G."""
    shown = f"humanize $values.{ref}.Value"
    return f"{{{{ reReplaceAll `^(\\d{{2,3}}|\\d\\.\\d)\\.?\\d*` `$1` ({shown}) }}}}{unit}"


def whole(ref: str) -> str:
    """Return a value without its fraction."""
    return f'{{{{ printf "%.0f" $values.{ref}.Value }}}}'


def percent(ref: str) -> str:
    """Return a part of one as percent."""
    return f"{{{{ reReplaceAll `[.%].*` `` (humanizePercentage $values.{ref}.Value) }}}} %"


def there(ref: str, shown: str, otherwise: str = "") -> str:
    """Return `shown` where the rule found this value."""
    return f"{{{{ if $values.{ref} }}}}{shown}{{{{ else }}}}{otherwise}{{{{ end }}}}"


def way(out: str, into: str, internal: str) -> str:
    """Return one of three, by the alert's direction."""
    return (
        f'{{{{ if eq $labels.direction "in" }}}}{into}'
        f'{{{{ else if eq $labels.direction "internal" }}}}{internal}'
        f"{{{{ else }}}}{out}{{{{ end }}}}"
    )


WAY = "{{ $labels.network }} {{ $labels.direction }}"

RATE = there("Rate", f" {number('Rate', 'bit/s')}, normal ≤{number('Normal', '')}")

SO_FAR = there("SoFar", f"{number('SoFar', 'B')} so far")

SERVICE = "{{ $labels.protocol }}/{{ $labels.port }}"


def _ago(name: str) -> str:
    hours, days = whole(f"{name}Hours"), whole(f"{name}Days")
    return (
        f"{{{{ if lt $values.{name}Hours.Value 48.0 }}}}{hours} h"
        f"{{{{ else }}}}{days} d{{{{ end }}}} ago"
    )


def _times() -> str:
    """Return how often a port was heavy, and when last."""
    ordinal = '(printf "%.0fth" $values.PortTime.Value)'
    for digit, ending in ("1", "st"), ("2", "nd"), ("3", "rd"):
        ordinal = f"(reReplaceAll `(^|[^1]){digit}th` `${{1}}{digit}{ending}` {ordinal})"
    often = f"{{{{ {ordinal} }}}} time in 14 days, last {_ago('Port')}"
    # Thirteen hours: until within the newest piece of six hours that was looked at.
    once = (
        f"{{{{ if lt $values.PortHours.Value 13.0 }}}}heavy until {_ago('Port')}"
        f"{{{{ else }}}}2nd time in 14 days, last {_ago('Port')}{{{{ end }}}}"
    )
    return there("PortHours", there("PortTime", often, once), NEW)


def _days() -> str:
    """Return on how many days an address was heavy, and when last."""
    heavy = f"heavy on {whole('AddressOn')} of 14 days, last {whole('AddressDays')} d ago"
    return there("AddressDays", heavy, NEW)


NEW = "new in 14 days"

PORT_EARLIER = f"this port: {_times()}"

EARLIER = f"{PORT_EARLIER}; this host: {_days()}"

PEERS = there(
    "Peer",
    "{{ $values.Peer.Labels.peer }}",
    there("Peers", f"{whole('Peers')} peers", "many peers"),
)

HOST = Text(
    WAY + RATE,
    way("", "to ", "")
    + "{{ $labels.address }} "
    + SERVICE
    + there("Share", f" {percent('Share')}")
    + way(", to ", ", from ", ", with ")
    + PEERS,
    SO_FAR,
    EARLIER,
    "Look at what the host runs on this port; block the port if nobody knows it.",
)

PORT = Text(
    WAY + RATE,
    SERVICE
    + " on "
    + there("Hosts", f"{whole('Hosts')} hosts or more", "many hosts")
    + there("Share", f", {percent('Share')}"),
    SO_FAR,
    PORT_EARLIER,
    "Many hosts on one port: an outbreak, an update, or everybody's new favourite. Look at a few.",
)

NOBODY = Text(
    WAY + RATE,
    "{{ $labels.protocol }}, no host and no port carries the most of it",
    SO_FAR,
    advice="Look at what changed: many small ones together, or a flood from everywhere.",
)

WHOLE = Text(
    WAY + RATE,
    there(
        "Top",
        "most is {{ $values.Top.Labels.address }} {{ $values.Top.Labels.protocol }}"
        "/{{ $values.Top.Labels.port }}",
        "several protocols at once",
    ),
    SO_FAR,
    advice="Look at what changed: protocols that the network never had, or all of them together.",
)

LIMIT = Text(
    WAY + there("Rate", f" {number('Rate', 'bit/s')}, limit {number('Limit', '')}"),
    there(
        "Top",
        "most is {{ $values.Top.Labels.address }} {{ $values.Top.Labels.protocol }}"
        "/{{ $values.Top.Labels.port }}",
        "no host carries half of it",
    ),
    there("SoFar", f"{number('SoFar', 'B')} in the last 15 min"),
    advice="The limit is in flowsleuth.yaml: networks, limit.",
)

PROFILE_LIMIT = Text(
    "{{ $labels.profile }} {{ $labels.direction }}"
    + there("Rate", f" {number('Rate', 'bit/s')}, limit {number('Limit', '')}"),
    "the profile {{ $labels.profile }}",
    there("SoFar", f"{number('SoFar', 'B')} in the last 15 min"),
    advice="The limit is in flowsleuth.yaml: profiles, limit.",
)

VANISHED = Text(
    "{{ $labels.network }}"
    + there("Rate", f" {number('Rate', 'bit/s')}, expected {number('Expected', '')}"),
    "its exporters report, but (nearly) nothing of this network",
    advice="Is the line down, was traffic moved, or does an exporter no longer see the interface?",
)

TALKER = "{{ $labels.address }} " + SERVICE

NEW_HEAVY = Text(
    WAY + there("Hour", f" {number('Hour', 'B')} in an hour"),
    TALKER,
    earlier="new in 14 days",
    advice="A new service, a new backup, or something that nobody installed.",
)

BACK = {
    name: Text(
        WAY + there("Hour", f" {number('Hour', 'B')} in an hour"),
        TALKER,
        earlier=f"{{{{ $labels.{tag} }}}} was heavy "
        + there(f"{name}Occasions", f"{whole(f'{name}Occasions')}× in 14 days, last ")
        + there(f"{name}Days", f"{whole(f'{name}Days')} d ago"),
        advice="Compare with the earlier days: the same peers, the same hour?",
    )
    for name, tag in {"Port": "port", "Address": "address"}.items()
}

NAME = there("Name", "{{ with $values.Name.Labels.host }} ({{ . }}){{ end }}")

SCAN = Text(
    WAY + there("Syn", f" {whole('Syn')} unanswered SYN in 5 min"),
    "{{ $labels.address }}"
    + NAME
    + " to "
    + there("Peers", f"{whole('Peers')} peers on ")
    + there("Ports", f"{whole('Ports')} ports a minute"),
    advice="A scanner of yours, or an infected host.",
)

FLOOD = Text(
    WAY + there("Rate", f" {number('Rate', 'packets/s')}, usually {number('Usual', '')}"),
    "to {{ $labels.address }}"
    + NAME
    + there("Size", f", {whole('Size')} bytes each")
    + there("Sources", f", from {whole('Sources')} sources")
    + there("Source", ", the largest {{ $values.Source.Labels.peer }}")
    + there("SourceShare", f" ({percent('SourceShare')})"),
    advice="Filter upstream, or ask the provider for it: here the line is full already.",
)

AMPLIFICATION = Text(
    WAY + there("Rate", f" {number('Rate', 'bit/s')}, usually {number('Usual', '')}"),
    way("answers from ", "answers to ", "answers of ")
    + TALKER
    + there("Peers", f", {whole('Peers')} peers"),
    advice="Out: close the service to the outside. In: filter its port upstream.",
)

EXPORTER = "Exporter {{ $labels.exporter }}"

SILENT = Text(
    EXPORTER + there("Value", f" silent for {whole('Value')} s"),
    advice="Is it up? Does it still export to here, and does a filter drop it?",
)

LOST = Text(
    EXPORTER + there("Value", f" loses {percent('Value')} of its flows"),
    advice="Kernel drops too? A larger receive buffer, or more workers. Else its network loses.",
)

TEMPLATES = Text(
    EXPORTER + there("Value", f": {whole('Value')} data sets without a template"),
    advice="Let it send its templates every minute.",
)

SAMPLING = Text(
    EXPORTER + " samples at an unknown rate",
    "its traffic counts too low",
    advice="Say the rate in flowsleuth.yaml: exporters, sampling.",
)

CLOCK = Text(
    EXPORTER + there("Value", f": clock off by {whole('Value')} ms"),
    "its times are shifted by it",
    advice="Set up NTP on it.",
)

TIMEOUT = Text(
    EXPORTER + there("Value", f": active timeout {whole('Value')} s"),
    "its networks cannot be judged within minutes",
    advice="Set it to 60 s: Cisco IOS `cache timeout active 60` in the flow monitor, Junos "
    "`flow-active-timeout 60`, MikroTik `/ip traffic-flow set active-flow-timeout=1m`, "
    "softflowd `-t maxlife=60`.",
)

DUPLICATES = Text(
    EXPORTER + there("Value", f": {percent('Value')} of its flows counted twice"),
    advice="Count one direction: flowsleuth.yaml, exporters, count.",
)

INGESTER_NAME = "Ingester {{ $labels.ingester }}"

INGESTER = Text(
    "Ingester{{ if $labels.ingester }} {{ $labels.ingester }}{{ end }} writes nothing"
    + there("Minutes", f" for {whole('Minutes')} min"),
    "nothing is counted, and no other alert can speak",
    advice="Is `flowsleuth collect` running, and does InfluxDB take what it writes?",
)

DROPS = Text(
    INGESTER_NAME + there("Dropped", f": {number('Dropped', '')} datagrams dropped by the kernel"),
    there("Came", f"of {number('Came', '')} in 10 min"),
    advice="A larger receive buffer, or more workers.",
)

WRITES = Text(
    INGESTER_NAME
    + there("Failed", f": {whole('Failed')} writes failed")
    + there("Gone", f", {whole('Gone')} points gone"),
    there("Took", f"the longest took {whole('Took')} s"),
    advice="Is InfluxDB up, fast enough, and its disk not full?",
)

BUDGET = Text(
    INGESTER_NAME + there("Folded", f": {number('Folded', 'B')} folded into `other`"),
    there("All", f"of {number('All', 'B')} in an hour"),
    advice="Raise series_budget, or keep the detail for fewer days.",
)
