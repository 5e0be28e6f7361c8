"""IP fragments of a capture, put together (RFC 791, 3.2; RFC 8200, 4.5).

An exporter whose datagrams are longer than the path's MTU has them arrive in pieces. Who sends
fragments is not known to be honest: what waits is bounded in bytes and in time (of the capture),
the oldest goes first, and overlapping pieces are refused altogether, which RFC 5722 demands for
IPv6 and which loses nothing from exporters that are in order.
"""

from dataclasses import dataclass, field

MAX_WAITING = 16 * 1024 * 1024
"""Bytes of fragments that wait at most; Linux (ipfrag_high_thresh) has 4 MiB."""

MAX_WAIT_NS = 30 * 1_000_000_000
"""How long a datagram waits for its pieces, as in Linux (ipfrag_time)."""

MAX_LENGTH = 65_535
"""No IP payload is longer (RFC 791, 3.1)."""

_OVERHEAD = 256
"""What a piece costs beside its bytes: tiny fragments are bounded too."""

Key = tuple[bytes, bytes, int, int]
"""Source, destination, identification, protocol."""


@dataclass(slots=True)
class _Partial:
    since_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    cost: int = 0

    def joined(self) -> bytes | None:
        """Return the whole payload; b'' where the pieces contradict each other."""
        if self.total is None or sum(map(len, self.pieces.values())) < self.total:
            return None
        parts, at = [], 0
        for offset in sorted(self.pieces):
            if offset != at:
                return b""
            parts.append(self.pieces[offset])
            at += len(self.pieces[offset])
        return b"".join(parts) if at == self.total else b""


class Fragments:
    """Datagrams that wait for pieces; `lost` counts those that were given up."""

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: dict[Key, _Partial] = {}
        self._cost = 0

    def add(self, key: Key, offset: int, more: bool, piece: bytes, now_ns: int) -> bytes | None:
        """Take a piece; return the whole payload when this was the last that lacked."""
        self._expire(now_ns)
        partial = self._waiting.setdefault(key, _Partial(now_ns))
        if offset + len(piece) > MAX_LENGTH or (not piece and more):
            self._give_up(key)
            return None
        if len(piece) > len(partial.pieces.get(offset, b"")):
            partial.pieces[offset] = piece
            partial.cost += len(piece) + _OVERHEAD
            self._cost += len(piece) + _OVERHEAD
        if not more:
            partial.total = offset + len(piece)
        whole = partial.joined()
        if whole:
            self._remove(key)
        elif whole is not None:
            self._give_up(key)
        return whole or None

    def finish(self) -> None:
        """Give up what still waits at the end of a file."""
        for key in list(self._waiting):
            self._give_up(key)

    def _expire(self, now_ns: int) -> None:
        while self._waiting:
            oldest = next(iter(self._waiting))
            old = now_ns - self._waiting[oldest].since_ns > MAX_WAIT_NS
            if not old and self._cost <= MAX_WAITING:
                return
            self._give_up(oldest)

    def _give_up(self, key: Key) -> None:
        self._remove(key)
        self.lost += 1

    def _remove(self, key: Key) -> None:
        self._cost -= self._waiting.pop(key).cost
