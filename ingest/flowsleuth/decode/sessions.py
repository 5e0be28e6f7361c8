"""Who sends: streams, which the points name, and sessions, which own the decoder's state.

A stream is (exporter address, observation domain, version), a row of `exporters`. A session is a
stream's UDP source port: two softflowd on one host share address and domain and number their
templates alike, so templates, sequences and sampler tables belong to sessions. Sessions of one
stream form a group, whose latest template or rate serves while a session has none of its own
(routers send from several ports, and change the port when they restart).
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from flowsleuth.decode.flows import RATE_ASSUMED
from flowsleuth.decode.layouts import Layout
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.sequence import Sequence

OTHER_DOMAIN = -1
"""`domain` of the stream which an exporter's domains share once it has too many."""

DOMAIN_RATE, SYSTEM_INIT = -1, -2
"""Keys of a session's `rates` beside sampler ids: the rate of the whole domain (numerator,
denominator), and systemInitTimeMilliseconds (ms since the epoch, 1)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A row of `exporters`: exporter address as text ('' if unknown), domain, version (10: IPFIX).

    domain is OTHER_DOMAIN, and exporter `other`, for those beyond the limits.
    """

    exporter: str
    domain: int
    version: int


@dataclass(slots=True)
class Streams:
    """All streams, whose indices never change, and a gauge per stream at the same index.

    template_wait: sets that wait now; sampling_interval: largest rate in the latest batch, 0 while
    it is unknown; sampling_state: 0 assumed 1, 1 known, 2 unknown.
    Index 0 is shared by the exporters beyond the limit.
    """

    limits: Limits
    table: list[Stream] = field(default_factory=lambda: [Stream("other", OTHER_DOMAIN, 0)])
    template_wait: list[int] = field(default_factory=lambda: [0])
    sampling_interval: list[int] = field(default_factory=lambda: [1])
    sampling_state: list[int] = field(default_factory=lambda: [RATE_ASSUMED])
    _index: dict[Stream, int] = field(default_factory=dict)
    _domains: dict[str, set[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def number(self, exporter: str, domain: int, version: int) -> int:
        """Return the index of a stream, adding it when it is new and there is room."""
        known = self._index.get(Stream(exporter, domain, version))
        if known is not None:
            return known
        domains = self._domains.get(exporter)
        if domains is None:
            if len(self._domains) >= self.limits.exporters:
                return 0
            domains = self._domains[exporter] = set()
        if domain not in domains and domain != OTHER_DOMAIN:
            if len(domains) >= self.limits.domains:
                return self.number(exporter, OTHER_DOMAIN, version)
            domains.add(domain)
        stream = Stream(exporter, domain, version)
        self._index[stream] = len(self.table)
        self.table.append(stream)
        self.template_wait.append(0)
        self.sampling_interval.append(1)
        self.sampling_state.append(RATE_ASSUMED)
        return len(self.table) - 1


class Timeline:
    """Values by key, as they were at any place in the present batch's wire order.

    Options data and the records which they explain lie in one batch; a rate holds from where it
    was sent, so that the result does not depend on how datagrams fall into batches.
    """

    __slots__ = ("_before", "now")

    def __init__(self) -> None:
        self.now: dict[int, tuple[int, int]] = {}
        self._before: dict[int, list[tuple[int, tuple[int, int] | None]]] = {}

    def set(self, key: int, value: tuple[int, int], rank: int, most: int) -> bool:
        """Make `value` hold from place `rank` on; return whether that changed anything."""
        old = self.now.get(key)
        if old == value or (old is None and len(self.now) >= most):
            return False
        self._before.setdefault(key, []).append((rank, old))
        self.now[key] = value
        return True

    def at(self, key: int, rank: int) -> tuple[int, int] | None:
        """Return the value which held at place `rank`."""
        before = self._before.get(key)
        if before:
            i = bisect_right(before, rank, key=lambda change: change[0])
            if i < len(before):
                return before[i][1]
        return self.now.get(key)

    @property
    def silent(self) -> bool:
        """Whether nothing was ever learned."""
        return not self.now

    @property
    def changed(self) -> bool:
        """Whether something was learned in the present batch."""
        return bool(self._before)

    def settle(self) -> None:
        """Forget what held before: the batch is over."""
        self._before.clear()


@dataclass(slots=True, eq=False)
class Group:
    """The sessions of one (exporter address, domain, version): what any of them learned last."""

    key: tuple[str, int, int]
    sessions: int = 0
    templates: dict[int, tuple["Session", Layout]] = field(default_factory=dict)
    rates: Timeline = field(default_factory=Timeline)


@dataclass(slots=True, eq=False)
class Session:
    """One (exporter address, UDP port, domain, version).

    refreshed: hashes of template sets that say nothing new → number of templates in them.
    rates: Timeline of sampler id, DOMAIN_RATE or SYSTEM_INIT → value.
    """

    key: tuple[str, int, int, int]
    group: Group
    stream: int
    templates: dict[int, Layout] = field(default_factory=dict)
    refreshed: dict[int, int] = field(default_factory=dict)
    rates: Timeline = field(default_factory=Timeline)
    sequence: Sequence = field(default_factory=Sequence)

    def layout(self, set_id: int) -> Layout | None:
        """Return the template that serves for a data set: its own, else its group's latest."""
        own = self.templates.get(set_id)
        if own is not None:
            return own
        shared = self.group.templates.get(set_id)
        return shared[1] if shared else None

    def learned(self, key: int, rank: int) -> tuple[int, int] | None:
        """Return what options data said, as of a place in the batch; own before the group's."""
        own = self.rates.at(key, rank)
        return self.group.rates.at(key, rank) if own is None else own


class Sessions:
    """All sessions, least recently heard first; the oldest makes room for a new one."""

    def __init__(self, limits: Limits, streams: Streams) -> None:
        self._limits = limits
        self._streams = streams
        self._known: dict[tuple[str, int, int, int], Session] = {}
        self._groups: dict[tuple[str, int, int], Group] = {}
        self._fields = 0

    def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204
        return iter(self._known.values())

    def get(self, address: str, port: int, domain: int, version: int) -> Session:
        """Return the session, made when it is new, as the most recently heard."""
        key = (address, port, domain, version)
        session = self._known.pop(key, None)
        if session is None:
            if len(self._known) >= self._limits.sessions:
                self._forget(self._known.pop(next(iter(self._known))))
            group_key = (address, domain, version)
            group = self._groups.setdefault(group_key, Group(group_key))
            group.sessions += 1
            session = Session(key, group, self._streams.number(*group_key))
        self._known[key] = session
        return session

    def tell_apart(self, limits: Limits) -> None:
        """Give streams by other limits on exporters and domains, to those without their own too."""
        self._streams.limits = limits
        for session in self._known.values():
            if self._streams.table[session.stream].domain == OTHER_DOMAIN:
                session.stream = self._streams.number(*session.group.key)

    def learn(self, session: Session, template_id: int, layout: Layout) -> bool:
        """Keep a template; return False where there is no room for it."""
        old = session.templates.get(template_id)
        growth = len(layout.fields) - (len(old.fields) if old else 0)
        if old is None and len(session.templates) >= self._limits.templates:
            return False
        if self._fields + growth > self._limits.template_fields:
            return False
        self._fields += growth
        session.templates[template_id] = layout
        session.group.templates[template_id] = (session, layout)
        return True

    def withdraw(self, session: Session, template_ids: list[int]) -> None:
        """Drop templates of this session; others that it does not have are none of its business."""
        for template_id in template_ids:
            layout = session.templates.pop(template_id, None)
            if layout is None:
                continue
            self._fields -= len(layout.fields)
            shared = session.group.templates.get(template_id)
            if shared and shared[0] is session:
                del session.group.templates[template_id]

    def _forget(self, session: Session) -> None:
        self.withdraw(session, list(session.templates))
        session.group.sessions -= 1
        if not session.group.sessions:
            del self._groups[session.group.key]
