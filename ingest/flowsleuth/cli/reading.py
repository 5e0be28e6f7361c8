"""Files, decoded batch by batch with a bar, and what could not be decoded told at the end.

For the commands that ask flow records about a time (`decode`, `hunt`): exporters report late, so
more is read than the time that is asked for. `points` and `load` choose by receipt, and count what
is malformed in `exporters` instead.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import click

from flowsleuth.aggregate.clocks import SKEW_TOLERATED
from flowsleuth.cli.options import TimeRange, batches_of
from flowsleuth.config import Config
from flowsleuth.config.units import HOUR
from flowsleuth.decode.decoder import Decoded, Decoder
from flowsleuth.decode.limits import Limits
from flowsleuth.enrich.counting import Policy
from flowsleuth.errors import InputError
from flowsleuth.pipeline.policies import Policies

REPORTED_LATE = HOUR
"""How long after a range its flows are looked for: routers are shipped with active timeouts of half
an hour, and what waits for a template or in a queue comes later still."""

_SHOWN = 10
"""Faults that are told one by one; the rest is counted."""


class _Faults:
    """What could not be decoded, told at the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.shown = 0
        self.foreign = ""

    def note(self, decoded: Decoded) -> None:
        for name in ("malformed", "missing_template"):
            self.counts[name] += int(decoded.counts[name].sum())
        self.counts["not_netflow"] += decoded.not_netflow
        self.counts["datagrams"] += len(decoded.stream)
        self.foreign = self.foreign or decoded.foreign or ""
        for problem in decoded.problems[: _SHOWN - self.shown]:
            click.echo(f"flowsleuth: malformed: {problem}", err=True)
            self.shown += 1

    def tell(self, waiting: int) -> None:
        said = [
            f"{self.counts[name]} {text}"
            for name, text in (
                ("malformed", "malformed"),
                ("not_netflow", "of no version that is decoded"),
            )
            if self.counts[name]
        ]
        without = self.counts["missing_template"] + waiting
        if without:
            said.append(f"{without} data sets without a template")
        if said:
            click.echo(
                f"flowsleuth: {self.counts['datagrams']} datagrams, {', '.join(said)}", err=True
            )


class Reading:
    """The files, decoded batch by batch.

    wanted: optional columns of flows that are read. label: of the bar. records: flow records so
    far. received_ns: the first and the last receipt so far, ns since the epoch, None before any.
    """

    def __init__(
        self,
        files: Sequence[str],
        config: Config,
        asked: TimeRange,
        wanted: Collection[str],
        label: str,
    ) -> None:
        self.config = config
        self.records = 0
        self.received_ns: tuple[int, int] | None = None
        self._label = label
        limits = Limits(exporters=config.max_exporters, domains=config.max_domains)
        self.decoder = Decoder(limits, wanted)
        self._policies = Policies(config)
        self._files = files
        self._faults = _Faults()
        since, until = asked.since_ns, asked.until_ns
        self._received = TimeRange(
            None if since is None else since - SKEW_TOLERATED,
            None if until is None else until + REPORTED_LATE,
        )

    def decoded(self) -> Iterator[Decoded]:
        """Yield what each batch holds."""
        with batches_of(self._files, self.decoder, self._received, self._label) as batches:
            for batch in batches:
                decoded = self.decoder.decode(batch)
                self._faults.note(decoded)
                self.records += sum(map(len, decoded.flows))
                self._note_receipt(decoded)
                yield decoded

    def _note_receipt(self, decoded: Decoded) -> None:
        if len(received := decoded.received_ns):
            ends = [int(received.min()), int(received.max()), *(self.received_ns or ())]
            self.received_ns = min(ends), max(ends)

    def policies(self) -> Mapping[int, Policy]:
        """Return what the configuration says of the streams so far."""
        return self._policies.of(self.decoder.streams)

    def tell(self) -> None:
        """Say what could not be decoded; raises InputError where it is another format."""
        counts, foreign = self._faults.counts, self._faults.foreign
        if foreign and not self.records and counts["not_netflow"] == counts["datagrams"]:
            raise InputError(
                f"{' '.join(self._files)}: {foreign}, which is not decoded: NetFlow and IPFIX are"
            )
        self._faults.tell(sum(self.decoder.streams.template_wait))
