"""The decoder: batches of datagrams in, columns of flow records out; no socket, no clock, no file.

A batch goes through in a few steps, each over all of its datagrams at once: headers, sets, layouts,
records, rates, columns. State is what exporters announce (templates, samplers, names) and is
bounded by `Limits`, since anybody can send datagrams. Bytes never raise: what is wrong with them is
counted per datagram, and the rest of the datagram is read all the same.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowsleuth.decode import headers
from flowsleuth.decode.blocks import RecordBlock, read_block
from flowsleuth.decode.columns import flows_of, joined
from flowsleuth.decode.flows import RATE_KNOWN, RATE_UNKNOWN, Flows
from flowsleuth.decode.gather import Ints
from flowsleuth.decode.headers import Messages
from flowsleuth.decode.layouts import Layouts
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.options import learn_options
from flowsleuth.decode.problems import Faults, Problem
from flowsleuth.decode.rates import apply_rates
from flowsleuth.decode.resolve import Resolved, Resolver
from flowsleuth.decode.sections import with_packets_read
from flowsleuth.decode.sequence import Numbered, lost_units
from flowsleuth.decode.sessions import Session, Sessions, Streams, Timeline
from flowsleuth.decode.sets import Sets, legacy_sets, walk
from flowsleuth.decode.snapshot import export_sessions, import_sessions
from flowsleuth.decode.waiting import Waiting
from flowsleuth.receive.datagrams import Datagrams

COUNTERS = (
    "datagrams",
    "records",
    "options",
    "templates",
    "lost",
    "missing_template",
    "malformed",
)
"""The counters of schema `exporters` that decoding knows."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch of n datagrams holds.

    flows: at most one of family 4 and one of family 6.
    blocks: the data records as they came; exporters: the address of each session in their
    messages: both for `json_records`.
    stream: int32 (n,), index into the decoder's streams, -1 where the datagram is no NetFlow
    version that we decode. received_ns, export_ns: int64 (n,), ns since the epoch;
    received_ns is the header's export time where nobody recorded the receipt.
    counts: each of COUNTERS → int64 (n,). problems: a sample of the faults counted as malformed.
    not_netflow: datagrams with stream -1; foreign: the name of the format that they seem to be.
    """

    flows: list[Flows]
    blocks: list[RecordBlock]
    exporters: list[str]
    stream: npt.NDArray[np.int32]
    received_ns: Ints
    export_ns: Ints
    counts: dict[str, Ints]
    problems: list[Problem]
    not_netflow: int
    foreign: str | None


class Decoder:
    """Decodes NetFlow v1, v5, v7, v9 and IPFIX (RFC 3954, RFC 7011).

    wanted: the optional columns that flows shall have (`optional.OPTIONAL`). streams: all streams
    seen, with gauges. interface_names: (exporter address, ifIndex) → name.
    """

    def __init__(self, limits: Limits | None = None, wanted: Collection[str] = ()) -> None:
        self.limits = limits or Limits()
        self.wanted = frozenset(wanted)
        self.streams = Streams(self.limits)
        self.interface_names: dict[tuple[str, int], str] = {}
        self._sessions = Sessions(self.limits, self.streams)
        self._waiting = Waiting(self.limits, self.streams)
        self._layouts = Layouts(self.limits.layouts)
        self._resolver = Resolver(self.limits, self._sessions, self._waiting, self._layouts)

    def decode(self, batch: Datagrams) -> Decoded:
        """Decode a batch. Raises nothing for what datagrams hold."""
        faults = Faults(batch, self.limits.problems)
        data = headers.padded(batch.data, batch.start)
        messages, sessions = self._identify(batch, headers.read(batch, data, faults))
        not_netflow = int(np.count_nonzero(messages.version == 0))
        foreign = headers.foreign(data, batch) if not_netflow else None
        live = messages.received_ns[messages.version > 0]
        if len(live):
            self._waiting.expire(int(live.max()))
        sets = Sets.joined(
            legacy_sets(messages, faults) + walk(data, messages, self.limits, faults)
        )
        resolved = self._resolver.resolve(data, sets, messages, sessions, faults)
        blocks, options = self._read(resolved, faults)
        flows = self._flows(blocks, options, sessions)
        counts = self._count(messages, resolved, blocks, options, sessions, faults)
        return Decoded(
            flows=flows,
            blocks=blocks,
            exporters=[session.key[0] for session in sessions],
            stream=messages.stream.astype(np.int32),
            received_ns=messages.received_ns,
            export_ns=messages.export_ns,
            counts=counts,
            problems=faults.samples,
            not_netflow=not_netflow,
            foreign=foreign,
        )

    def tell_apart(self, exporters: int, domains: int) -> None:
        """Tell so many exporters, and domains of each, apart from now on: more of them, or fewer.

        What has a stream keeps it; what shared one for want of room is asked anew.
        """
        self.limits = replace(self.limits, exporters=exporters, domains=domains)
        self._sessions.tell_apart(self.limits)

    def learn(self, batch: Datagrams) -> None:
        """Take in what exporters announce in a batch (templates, rates, names), but no record.

        For what was sent before the time that somebody asks for: nothing of it is counted, waits,
        or says which sequence number is the next.
        """
        faults = Faults(batch, 0)
        data = headers.padded(batch.data, batch.start)
        messages, sessions = self._identify(batch, headers.read(batch, data, faults))
        sets = Sets.joined(walk(data, messages, self.limits, faults))
        resolved = self._resolver.resolve(data, sets, messages, sessions, faults, may_wait=False)
        options = [
            read_block(resolved, number, self.limits.records, faults)
            for number, layout in enumerate(resolved.layouts)
            if layout.options
        ]
        for timeline in self._learn_options(options, sessions):
            timeline.settle()

    def export_state(self) -> dict[str, object]:
        """Return templates, sampler tables and interface names, to be kept over a restart: JSON."""
        return export_sessions(self._sessions, self.interface_names)

    def import_state(self, state: dict[str, object]) -> None:
        """Take up an exported state. Raises ValueError where it is damaged, and changes nothing."""
        import_sessions(state, self._sessions, self._layouts, self.interface_names, self.limits)

    def _identify(self, batch: Datagrams, messages: Messages) -> tuple[Messages, list[Session]]:
        """Give each message its session and stream; the sessions by when they were last heard."""
        live = np.flatnonzero(messages.version > 0)
        key = (
            (batch.source[live].astype(np.int64) << 36)
            | (messages.version[live] << 32)
            | messages.domain[live]
        )
        distinct, last, inverse = np.unique(key[::-1], return_index=True, return_inverse=True)
        order = np.argsort(-last)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        sessions = []
        for k in distinct[order].tolist():
            source = batch.sources.table[k >> 36]
            sessions.append(
                self._sessions.get(source.address, source.port, k & 0xFFFFFFFF, k >> 32 & 0xF)
            )
        session, stream = messages.session.copy(), messages.stream.copy()
        session[live] = place[inverse[::-1]]
        stream[live] = np.array([s.stream for s in sessions], np.int64)[session[live]]
        return replace(messages, session=session, stream=stream), sessions

    def _read(
        self, resolved: Resolved, faults: Faults
    ) -> tuple[list[RecordBlock], list[RecordBlock]]:
        """Gather the records of each layout: data, and options data."""
        blocks: list[RecordBlock] = []
        options: list[RecordBlock] = []
        room = self.limits.records
        for number in np.unique(resolved.layout).tolist():
            block = read_block(resolved, number, room, faults)
            room -= len(block)
            if block.layout.options:
                options.append(block)
            else:
                blocks += with_packets_read(block)
        return blocks, options

    def _flows(
        self, blocks: list[RecordBlock], options: list[RecordBlock], sessions: list[Session]
    ) -> list[Flows]:
        """Learn from options data, then turn data records into columns."""
        touched = self._learn_options(options, sessions)
        parts: list[Flows] = []
        for block in blocks:
            apply_rates(block, sessions)
            if len(block):
                parts += flows_of(block, sessions, self.wanted)
        for timeline in touched:
            timeline.settle()
        families = [[part for part in parts if part.family == family] for family in (4, 6)]
        flows = [joined(same) for same in families if same]
        self._gauge_sampling(flows)
        return flows

    def _learn_options(self, options: list[RecordBlock], sessions: list[Session]) -> list[Timeline]:
        """Learn from options data in wire order; return the timelines to settle afterwards."""
        touched: list[Timeline] = []
        for block in sorted(options, key=lambda b: int(b.rank[0])):
            touched += learn_options(block, sessions, self.interface_names, self.limits)
        return touched

    def _gauge_sampling(self, flows: list[Flows]) -> None:
        """Note each stream's largest rate in this batch, and its worst state."""
        for part in flows:
            key = (part.stream.astype(np.int64) << 2) | part.rate_state
            differs = (key[1:] != key[:-1]) | (part.rate_num[1:] != part.rate_num[:-1])
            heads = np.flatnonzero(np.append(True, differs))
            rates = np.ceil(part.rate_num[heads] / part.rate_den[heads]).astype(np.int64)
            streams, states = part.stream[heads], part.rate_state[heads]
            for stream in np.unique(streams).tolist():
                same = streams == stream
                seen = set(states[same].tolist())
                unknown = RATE_UNKNOWN in seen
                self.streams.sampling_state[stream] = max(seen)
                known = same & (states == RATE_KNOWN)
                largest = int(rates[known].max()) if known.any() else 1
                self.streams.sampling_interval[stream] = 0 if unknown else largest

    def _count(
        self,
        messages: Messages,
        resolved: Resolved,
        blocks: list[RecordBlock],
        options: list[RecordBlock],
        sessions: list[Session],
        faults: Faults,
    ) -> dict[str, Ints]:
        """Return each counter per datagram."""
        n = len(messages)
        carrier = resolved.messages.carrier

        def records(of: list[RecordBlock], *, waited: bool) -> Ints:
            total = np.zeros(n, np.int64)
            for block in of:
                mine = np.ones(len(block.message), bool) if waited else block.message < n
                np.add.at(total, carrier[block.message[mine]], block.counts[mine])
            return total

        flows, described = records(blocks, waited=False), records(options, waited=False)
        step = np.where(messages.version == 9, 1, flows + described)
        ipfix = messages.version == 10
        step[resolved.resync[ipfix[resolved.resync]]] = -1
        step[ipfix & (faults.malformed > 0)] = -1
        numbered = np.flatnonzero(messages.version >= 5)
        numbered = numbered[np.argsort(messages.session[numbered], kind="stable")]
        columns = (messages.session, messages.sequence, step, flows, flows + described)
        lost = lost_units(
            Numbered(numbered, *(column[numbered] for column in columns)),
            [session.sequence for session in sessions],
            n,
        )
        return {
            "datagrams": np.ones(n, np.int64),
            "records": records(blocks, waited=True),
            "options": records(options, waited=True),
            "templates": resolved.templates,
            "lost": lost,
            "missing_template": self._given_up(messages),
            "malformed": faults.malformed,
        }

    def _given_up(self, messages: Messages) -> Ints:
        """Count sets given up in a datagram of their stream, or keep the count until one comes."""
        given_up = np.zeros(len(messages), np.int64)
        for stream, count in list(self._waiting.gave_up.items()):
            at = np.flatnonzero(messages.stream == stream)
            if len(at):
                given_up[at[0]] += count
                del self._waiting.gave_up[stream]
        return given_up
