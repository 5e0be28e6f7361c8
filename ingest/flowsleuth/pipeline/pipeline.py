"""Datagrams in, points out: decode, enrich and aggregate behind one door.

Reads no clock and does no I/O, so that the daemon and the commands that read files drive the same
code: `files.py` by the capture's own time, `collect.py` by the machine's.
"""

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from flowsleuth.aggregate.aggregator import FOREVER, Aggregator, Settings
from flowsleuth.aggregate.fold import Limits
from flowsleuth.aggregate.naming import NetworkNames, StreamNames
from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.aggregate.tables import StreamGauges
from flowsleuth.config import Config, InterfaceSettings
from flowsleuth.decode.decoder import Decoded, Decoder
from flowsleuth.decode.flows import RATE_KNOWN
from flowsleuth.decode.limits import Limits as DecodeLimits
from flowsleuth.decode.sessions import OTHER_DOMAIN
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.enrich.services import Services
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline.policies import Policies
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams

VERSION_NAMES = {1: "v1", 5: "v5", 7: "v7", 9: "v9", 10: "ipfix"}
"""The tag `version` of the measurement `exporters`."""

_NO_INTERFACE = InterfaceSettings()

Kept = list[list[Any]]
"""Streams as they are kept: exporter, domain, version, ns of the last datagram (0: the newest of
all, others are below) and of the last record of each network."""

_HEARD = TypeAdapter(list[tuple[str, int, int, int, dict[str, int]]])


def heard_streams(kept: Kept) -> list[tuple[str, int, int, int, dict[str, int]]]:
    """Return the streams that were kept; raises ValueError where they are damaged."""
    return _HEARD.validate_python(kept)


class Pipeline:
    """All rooms between receive and write.

    names: address text → host name. only: the filter that a record must match to count at all.
    """

    def __init__(self, config: Config, names: dict[str, str], only: Filter | None = None) -> None:
        self.config = config
        self.unlisted = 0
        self.not_netflow = 0
        self.datagrams = 0
        self.datagram_bytes = 0
        self.records = 0
        self.names = names
        self._exporters = {str(address): e for address, e in config.exporters.items()}
        self._policies = Policies(config)
        self._listed: list[bool] = []
        profiles = [Filter(profile.filter) for profile in config.profiles]
        self.decoder = Decoder(
            DecodeLimits(exporters=config.max_exporters, domains=config.max_domains),
            wanted_by([*profiles, only] if only is not None else profiles),
        )
        services = Services(config.services)
        self._enricher = Enricher(
            Networks([(network.name, network.prefixes) for network in config.networks]),
            services,
            profiles,
            only,
        )
        self.aggregator = Aggregator(
            _settings(config),
            NetworkNames(
                [network.name for network in config.networks],
                [network.labels for network in config.networks],
            ),
            StreamNames(
                self._exporter, self._interface, lambda text: names.get(text, ""), self._speed
            ),
            services,
        )

    def feed(self, batch: Datagrams) -> Decoded:
        """Take in a batch of datagrams; returns what decode made of it."""
        self.datagrams += len(batch)
        self.datagram_bytes += int(batch.length.sum())
        listed = self.listed(batch)
        self.unlisted += len(batch) - len(listed)
        decoded = self.decoder.decode(listed)
        self.not_netflow += decoded.not_netflow
        self.aggregator.datagrams(
            decoded.stream, decoded.received_ns, decoded.export_ns, decoded.counts
        )
        policies = self._policies.of(self.decoder.streams)
        for flows in decoded.flows:
            self.records += len(flows)
            records, noted = self._enricher.enrich(flows, policies)
            self.aggregator.note(noted)
            self.aggregator.add(records)
        return decoded

    def flush(self, until: int, stamp: Stamp) -> list[Table]:
        """Write the windows before `until`."""
        streams = self.decoder.streams
        interval, state = list(streams.sampling_interval), list(streams.sampling_state)
        for stream, policy in self._policies.of(streams).items():
            if policy.sampling:  # it stands before all that the exporter says
                interval[stream], state[stream] = policy.sampling, RATE_KNOWN
        gauges = StreamGauges(streams.template_wait, interval, state)
        return self.aggregator.flush(until, stamp, gauges)

    def export_heard(self) -> Kept:
        """Return when streams were last heard, and for which networks, as JSON can hold it."""
        table = self.decoder.streams.table
        return [
            [table[stream].exporter, table[stream].domain, table[stream].version, ago_ns, networks]
            for stream, ago_ns, networks in self.aggregator.hearing.export_state()
        ]

    def import_heard(self, kept: Kept) -> None:
        """Take up what was exported. Raises ValueError where it is damaged."""
        streams = self.decoder.streams
        self.aggregator.hearing.import_state(
            [
                (streams.number(exporter, domain, version), ago_ns, networks)
                for exporter, domain, version, ago_ns, networks in heard_streams(kept)
            ]
        )

    def succeed(self, former: "Pipeline", stamp: Stamp) -> list[Table]:
        """Go on where another leaves off, which is of no use any more.

        Returns what it still held under its own names. What exporters have announced, what is known
        of them, the series admitted and all that has been counted are taken over.
        """
        tables, estate = former.aggregator.hand_over(stamp)
        self.aggregator.inherit(estate)
        wanted, self.decoder = self.decoder.wanted, former.decoder
        self.decoder.wanted = wanted
        self.decoder.tell_apart(self.config.max_exporters, self.config.max_domains)
        self.unlisted, self.not_netflow = former.unlisted, former.not_netflow
        self.datagrams, self.datagram_bytes = former.datagrams, former.datagram_bytes
        self.records = former.records
        return tables

    def take_early(self) -> list[Table]:
        """Return what had to be written before its time because memory was full."""
        return self.aggregator.take_early()

    def finish(self, stamp: Stamp) -> list[Table]:
        """Write everything that there is."""
        return self.flush(FOREVER, stamp)

    def listed(self, batch: Datagrams) -> Datagrams:
        """Return what the configuration lets in: with `exporters_only`, what listed ones sent."""
        if not self.config.exporters_only:
            return batch
        for source in batch.sources.table[len(self._listed) :]:
            self._listed.append(source.address in self._exporters)
        return batch.take(np.flatnonzero(np.array(self._listed)[batch.source]))

    def _exporter(self, stream: int) -> tuple[str, str, str]:
        """Return exporter (its configured name, else its address), domain and version."""
        known = self.decoder.streams.table[stream]
        settings = self._exporters.get(known.exporter)
        name = settings.name if settings is not None and settings.name else known.exporter
        domain = "other" if known.domain == OTHER_DOMAIN else str(known.domain)
        return name or "unknown", domain, VERSION_NAMES.get(known.version, "other")

    def _interface(self, stream: int, if_index: int) -> str:
        """Return an interface's configured name, else the one its exporter told, else ifIndex."""
        told = (self.decoder.streams.table[stream].exporter, if_index)
        configured = self._configured(stream, if_index).name
        return configured or self.decoder.interface_names.get(told) or str(if_index)

    def _speed(self, stream: int, if_index: int) -> int:
        """Return an interface's configured speed in bits/s, 0 where there is none.

        No information element carries one (RFC 7012 and Cisco's v9 fields have names alone).
        """
        return self._configured(stream, if_index).speed or 0

    def _configured(self, stream: int, if_index: int) -> InterfaceSettings:
        settings = self._exporters.get(self.decoder.streams.table[stream].exporter)
        interfaces = settings.interfaces if settings is not None else {}
        return interfaces.get(if_index, _NO_INTERFACE)


def _settings(config: Config) -> Settings:
    return Settings(
        window_ns=config.window_ns,
        accepted_age_ns=config.accepted_age_ns,
        limits=Limits(config.top.bytes, config.top.packets, config.top.peers, config.share),
        budget=config.series_budget,
        retention_ns=config.retention.detail_ns,
        interfaces=config.max_interfaces,
        profiles=tuple(profile.name for profile in config.profiles),
        profile_limits={p.name: p.limit / 8 for p in config.profiles if p.limit is not None},
    )
