"""Datagrams in, points out: decode, enrich and aggregate behind one door.

Reads no clock and does no I/O, so that the daemon and the commands that read files drive the same
code: `files.py` by the capture's own time, `collect.py` by the machine's.
"""

import numpy as np

from flowsleuth.aggregate.aggregator import FOREVER, Aggregator, Settings
from flowsleuth.aggregate.fold import Limits
from flowsleuth.aggregate.naming import NetworkNames, StreamNames
from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.aggregate.tables import StreamGauges
from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoded, Decoder
from flowsleuth.decode.limits import Limits as DecodeLimits
from flowsleuth.decode.sessions import OTHER_DOMAIN
from flowsleuth.enrich.enricher import Enricher, Policy
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams

VERSION_NAMES = {1: "v1", 5: "v5", 7: "v7", 9: "v9", 10: "ipfix"}
"""The tag `version` of the measurement `exporters`."""

_NO_POLICY = Policy()


class Pipeline:
    """All rooms between receive and write. names: address text → host name."""

    def __init__(self, config: Config, names: dict[str, str]) -> None:
        self.config = config
        self.unlisted = 0
        self.not_netflow = 0
        self.datagrams = 0
        self.datagram_bytes = 0
        self.records = 0
        self._names = names
        self._exporters = {str(address): e for address, e in config.exporters.items()}
        self._policies: dict[int, Policy] = {}
        self._policies_known = 0
        self._listed: list[bool] = []
        self.decoder = Decoder(
            DecodeLimits(exporters=config.max_exporters, domains=config.max_domains)
        )
        services = Services(config.services)
        self._enricher = Enricher(
            Networks([(network.name, network.prefixes) for network in config.networks]), services
        )
        self.aggregator = Aggregator(
            _settings(config),
            NetworkNames(
                [network.name for network in config.networks],
                [network.labels for network in config.networks],
            ),
            StreamNames(self._exporter, self._interface, lambda text: names.get(text, "")),
            services,
        )

    def feed(self, batch: Datagrams) -> Decoded:
        """Take in a batch of datagrams; returns what decode made of it."""
        self.datagrams += len(batch)
        self.datagram_bytes += int(batch.length.sum())
        if self.config.exporters_only:
            batch = self._only_listed(batch)
        decoded = self.decoder.decode(batch)
        self.not_netflow += decoded.not_netflow
        self.aggregator.datagrams(
            decoded.stream, decoded.received_ns, decoded.export_ns, decoded.counts
        )
        self._learn_policies()
        for flows in decoded.flows:
            self.records += len(flows)
            records, noted = self._enricher.enrich(flows, self._policies)
            self.aggregator.note(noted)
            self.aggregator.add(records)
        return decoded

    def flush(self, until: int, stamp: Stamp) -> list[Table]:
        """Write the windows before `until`."""
        streams = self.decoder.streams
        gauges = StreamGauges(
            streams.template_wait, streams.sampling_interval, streams.sampling_state
        )
        return self.aggregator.flush(until, stamp, gauges)

    def take_early(self) -> list[Table]:
        """Return what had to be written before its time because memory was full."""
        return self.aggregator.take_early()

    def finish(self, stamp: Stamp) -> list[Table]:
        """Write everything that there is."""
        return self.flush(FOREVER, stamp)

    def _only_listed(self, batch: Datagrams) -> Datagrams:
        for source in batch.sources.table[len(self._listed) :]:
            self._listed.append(source.address in self._exporters)
        listed = np.array(self._listed)[batch.source]
        self.unlisted += len(batch) - int(np.count_nonzero(listed))
        return Datagrams(
            batch.data,
            batch.start[listed],
            batch.length[listed],
            batch.source[listed],
            batch.received_ns[listed],
            batch.sources,
        )

    def _learn_policies(self) -> None:
        """Look up what the configuration says of streams that are new."""
        for index in range(self._policies_known, len(self.decoder.streams)):
            settings = self._exporters.get(self.decoder.streams.table[index].exporter)
            if settings is not None:
                policy = Policy(settings.sampling or 0, settings.count)
                if policy != _NO_POLICY:
                    self._policies[index] = policy
        self._policies_known = len(self.decoder.streams)

    def _exporter(self, stream: int) -> tuple[str, str, str]:
        """Return exporter (its configured name, else its address), domain and version."""
        known = self.decoder.streams.table[stream]
        settings = self._exporters.get(known.exporter)
        name = settings.name if settings is not None and settings.name else known.exporter
        domain = "other" if known.domain == OTHER_DOMAIN else str(known.domain)
        return name or "unknown", domain, VERSION_NAMES.get(known.version, "other")

    def _interface(self, stream: int, if_index: int) -> str:
        """Return an interface's configured name, else the one its exporter told, else ifIndex."""
        address = self.decoder.streams.table[stream].exporter
        settings = self._exporters.get(address)
        if settings is not None and if_index in settings.interfaces:
            return settings.interfaces[if_index].name or str(if_index)
        return self.decoder.interface_names.get((address, if_index)) or str(if_index)


def _settings(config: Config) -> Settings:
    return Settings(
        window_ns=config.window_ns,
        accepted_age_ns=config.accepted_age_ns,
        limits=Limits(config.top.bytes, config.top.packets, config.top.peers, config.share),
        budget=config.series_budget,
        retention_ns=config.retention.detail_ns,
        interfaces=config.max_interfaces,
    )
