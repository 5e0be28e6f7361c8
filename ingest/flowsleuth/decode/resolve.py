"""Which layout each data set has: templates learned, missing ones waited for.

Templates are refreshed often and change rarely. So a template set whose bytes are known says
nothing, and all data sets of a batch are looked up by their distinct (session, set id). Only where
a group of sessions hears something new does order matter: its sets are taken one after another, so
that data before the change has the old template and data after it the new one.
"""

from dataclasses import dataclass, field

import numpy as np

from flowsleuth.decode.gather import Bytes, Ints
from flowsleuth.decode.headers import Messages
from flowsleuth.decode.layouts import LEGACY, Layout, Layouts
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.problems import Faults
from flowsleuth.decode.sessions import Group, Session, Sessions
from flowsleuth.decode.sets import FIRST_DATA_SET, TEMPLATE_SETS, Sets
from flowsleuth.decode.templates import BrokenTemplate, Definition, parse
from flowsleuth.decode.waiting import Waiting, WaitingSet

_REMEMBERED = 64
"""Distinct template sets remembered per session; an exporter cycles through a few."""

RANK = 1 << 24
"""Ranks between two sets of the batch, for those which had waited and come in between."""


@dataclass(slots=True)
class Resolved:
    """The data sets that can be read: `sets`, with a rank (wire order) and a layout each.

    messages and data reach beyond the batch's where sets that had waited are among them.
    templates: int64 (n,), templates received per datagram. resync: messages of IPFIX whose number
    of records cannot be known, because a set of them waits or is broken.
    """

    sets: Sets
    rank: Ints
    layout: Ints
    layouts: list[Layout]
    messages: Messages
    data: Bytes
    templates: Ints
    resync: Ints


@dataclass(slots=True)
class _Batch:
    """What one batch brings; `layout` is filled per set, -1 where there is nothing to read.

    may_wait: whether a set without its template is kept until it comes.
    """

    data: Bytes
    sets: Sets
    messages: Messages
    sessions: list[Session]
    faults: Faults
    layout: Ints
    templates: Ints
    may_wait: bool
    layouts: list[Layout] = field(default_factory=list)
    number: dict[Layout, int] = field(default_factory=dict)
    released: list[tuple[int, int, WaitingSet]] = field(default_factory=list)
    resync: list[int] = field(default_factory=list)

    def layout_number(self, layout: Layout | None) -> int:
        if layout is None:
            return -1
        if layout not in self.number:
            self.number[layout] = len(self.layouts)
            self.layouts.append(layout)
        return self.number[layout]

    def session_of(self, i: int) -> Session:
        return self.sessions[int(self.messages.session[self.sets.message[i]])]

    def body(self, i: int) -> bytes:
        start = int(self.sets.start[i])
        return self.data[start : start + int(self.sets.length[i])].tobytes()


class Resolver:
    """Finds the layouts of a batch's data sets, and learns the templates in it."""

    def __init__(
        self, limits: Limits, sessions: Sessions, waiting: Waiting, layouts: Layouts
    ) -> None:
        self._limits = limits
        self._sessions = sessions
        self._waiting = waiting
        self._layouts = layouts

    def resolve(
        self,
        data: Bytes,
        sets: Sets,
        messages: Messages,
        sessions: list[Session],
        faults: Faults,
        *,
        may_wait: bool = True,
    ) -> Resolved:
        """Return the data sets of a batch that can be read. `sessions` may grow at its end.

        Without `may_wait` no set of the batch waits for its template, and none that waits is given.
        """
        batch = _Batch(
            data=data,
            sets=sets,
            messages=messages,
            sessions=sessions,
            faults=faults,
            layout=np.full(len(sets), -1, np.int64),
            templates=np.zeros(len(messages), np.int64),
            may_wait=may_wait,
        )
        for place, (_, legacy) in enumerate(LEGACY):
            same = sets.set_id == -1 - place
            if same.any():
                batch.layout[same] = batch.layout_number(legacy)
        dirty = self._refresh(batch)
        changing = np.array([s.group in dirty for s in sessions] or [False], bool)[
            messages.session[sets.message]
        ]
        self._look_up(batch, np.flatnonzero((sets.set_id >= FIRST_DATA_SET) & ~changing))
        for i in np.flatnonzero(changing & (sets.set_id >= 0)).tolist():
            self._in_order(batch, i)
        return self._readable(batch)

    def _refresh(self, batch: _Batch) -> set[Group]:
        """Count the templates that say nothing new; return the groups that hear something new."""
        sets = batch.sets
        heard: list[tuple[int, Group, int]] = []
        dirty: set[Group] = set()
        for i in np.flatnonzero((sets.set_id >= 0) & (sets.set_id < FIRST_DATA_SET)).tolist():
            session = batch.session_of(i)
            known = session.refreshed.get(_mark(batch, i))
            if known is None:
                dirty.add(session.group)
            else:
                heard.append((int(sets.message[i]), session.group, known))
        for message, group, known in heard:
            if group not in dirty:
                batch.templates[message] += known
        return dirty

    def _look_up(self, batch: _Batch, chosen: Ints) -> None:
        """Look up the layouts of sets in groups which hear nothing new."""
        sets = batch.sets
        key = (batch.messages.session[sets.message[chosen]] << 16) | sets.set_id[chosen]
        distinct, inverse = np.unique(key, return_inverse=True)
        found = np.fromiter(
            (
                batch.layout_number(batch.sessions[k >> 16].layout(k & 0xFFFF))
                for k in distinct.tolist()
            ),
            np.int64,
            len(distinct),
        )
        layout = found[inverse]
        batch.layout[chosen] = layout
        for i in chosen[layout < 0].tolist():
            self._wait(batch, i)

    def _in_order(self, batch: _Batch, i: int) -> None:
        """Take one set of a group that hears something new."""
        set_id = int(batch.sets.set_id[i])
        session = batch.session_of(i)
        if set_id < FIRST_DATA_SET:
            self._learn(batch, i, session)
            return
        layout = session.layout(set_id)
        if layout is None:
            self._wait(batch, i)
        else:
            batch.layout[i] = batch.layout_number(layout)

    def _learn(self, batch: _Batch, i: int, session: Session) -> None:
        """Learn the templates of one set."""
        mark, message = _mark(batch, i), int(batch.sets.message[i])
        set_id, at = int(batch.sets.set_id[i]), int(batch.sets.start[i])
        known = session.refreshed.get(mark)
        if known is not None:
            batch.templates[message] += known
            return
        heard, changed, sound = 0, False, True
        try:
            for definition in parse(session.key[3], set_id, batch.body(i), self._limits.fields):
                heard += definition.fields is not None
                outcome = self._apply(session, definition)
                if outcome is None:
                    sound = False
                    batch.faults.add(message, "template not kept", set_id=set_id, at=at)
                elif outcome:
                    changed = True
                    self._release(batch, i, session, definition.template_id)
        except BrokenTemplate as broken:
            sound = False
            batch.faults.add(message, str(broken), set_id=set_id, at=at)
        batch.templates[message] += heard
        if changed or len(session.refreshed) >= _REMEMBERED:
            session.refreshed.clear()
        if sound:
            session.refreshed[mark] = heard

    def _apply(self, session: Session, definition: Definition) -> bool | None:
        """Make a definition hold; return whether it changed anything, None if it is not kept."""
        template_id = definition.template_id
        if definition.fields is None:
            if template_id >= FIRST_DATA_SET:
                gone = [template_id]
            else:
                options = template_id == TEMPLATE_SETS[10][1]
                gone = [k for k, v in session.templates.items() if v.options == options]
            held = len(session.templates)
            self._sessions.withdraw(session, gone)
            return len(session.templates) != held
        layout = self._layouts.intern(definition.fields, options=definition.options)
        old = session.templates.get(template_id)
        if old is not None and (old.fields, old.options) == (layout.fields, layout.options):
            return False
        if not self._sessions.learn(session, template_id, layout) or not layout.shortest:
            return None
        return True

    def _release(self, batch: _Batch, i: int, session: Session, template_id: int) -> None:
        if not batch.may_wait:
            return
        for waiting in self._waiting.release(session.group, template_id):
            batch.released.append((i, len(batch.released), waiting))

    def _wait(self, batch: _Batch, i: int) -> None:
        """Keep a set whose template is missing; an empty one is nothing to wait for."""
        message = int(batch.sets.message[i])
        body = batch.body(i)
        if body and batch.may_wait:
            batch.resync.append(message)
            session = batch.session_of(i)
            header = batch.messages.row(message)
            self._waiting.add(WaitingSet(session, int(batch.sets.set_id[i]), body, header))

    def _readable(self, batch: _Batch) -> Resolved:
        """Put the sets that can be read into wire order, those that had waited among them."""
        chosen = np.flatnonzero(batch.layout >= 0)
        resolved = Resolved(
            sets=batch.sets.take(chosen),
            rank=chosen * RANK,
            layout=batch.layout[chosen],
            layouts=batch.layouts,
            messages=batch.messages,
            data=batch.data,
            templates=batch.templates,
            resync=np.array(sorted(set(batch.resync)), np.int64),
        )
        return _with_released(batch, resolved) if batch.released else resolved


def _with_released(batch: _Batch, resolved: Resolved) -> Resolved:
    """Add the sets that had waited, in the place of the template which they waited for."""
    rows, bodies, columns = [], [], []
    at = len(batch.data)
    for i, place, waiting in batch.released:
        layout = waiting.session.layout(waiting.set_id)
        # Withdrawn again within the same set: given a place all the same, read as nothing.
        if layout is None:
            continue
        batch.sessions.append(waiting.session)
        carrier = int(batch.messages.carrier[batch.sets.message[i]])
        rows.append(waiting.header | {"session": len(batch.sessions) - 1, "carrier": carrier})
        bodies.append(np.frombuffer(waiting.body, np.uint8))
        size = len(waiting.body)
        message = len(batch.messages) + len(rows) - 1
        rank = i * RANK + 1 + min(place, RANK - 2)
        columns.append((message, waiting.set_id, at, size, rank, batch.layout_number(layout)))
        at += size
    added = np.array(columns, np.int64).reshape(-1, 6).T
    sets = Sets(
        *(
            np.concatenate([getattr(resolved.sets, name), column])
            for name, column in zip(("message", "set_id", "start", "length"), added, strict=False)
        )
    )
    ranks = np.concatenate([resolved.rank, added[4]])
    order = np.argsort(ranks, kind="stable")
    return Resolved(
        sets=sets.take(order),
        rank=ranks[order],
        layout=np.concatenate([resolved.layout, added[5]])[order],
        layouts=batch.layouts,
        messages=batch.messages.extended(rows),
        data=np.concatenate([batch.data, *bodies]),
        templates=resolved.templates,
        resync=resolved.resync,
    )


def _mark(batch: _Batch, i: int) -> int:
    return hash((int(batch.sets.set_id[i]), batch.body(i)))
