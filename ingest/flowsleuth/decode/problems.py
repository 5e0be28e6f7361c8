"""What is wrong in a batch: a count per datagram, and a few samples with coordinates.

Bytes off the wire never raise. The counts go to `exporters.malformed`; the samples let a log line
say where to look, and are bounded because a forger decides how many faults there are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.receive.datagrams import Datagrams


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: who sent it, where in the datagram it lies, and what is wrong.

    set_id and offset (bytes from the start of the datagram) are -1 where they have no meaning.
    """

    exporter: str
    version: int
    domain: int
    set_id: int
    offset: int
    reason: str

    def __str__(self) -> str:
        where = [f"v{self.version} domain {self.domain} of {self.exporter or 'unknown exporter'}"]
        if self.set_id >= 0:
            where.append(f"set {self.set_id}")
        if self.offset >= 0:
            where.append(f"byte {self.offset}")
        return f"{', '.join(where)}: {self.reason}"


class Faults:
    """The faults of one batch: `malformed`, int64 (n,), and at most `limit` samples."""

    def __init__(self, batch: Datagrams, limit: int) -> None:
        self.malformed = np.zeros(len(batch), np.int64)
        self.samples: list[Problem] = []
        self._batch = batch
        self._limit = limit
        self.version = np.zeros(len(batch), np.int64)
        self.domain = np.zeros(len(batch), np.int64)

    def add(
        self, datagram: int, reason: str, *, set_id: int = -1, at: int = -1, counted: bool = True
    ) -> None:
        """Note one fault; `at` is the offset in the batch's buffer."""
        self.malformed[datagram] += counted
        if len(self.samples) >= self._limit:
            return
        source = self._batch.sources.table[int(self._batch.source[datagram])]
        self.samples.append(
            Problem(
                exporter=source.address,
                version=int(self.version[datagram]),
                domain=int(self.domain[datagram]),
                set_id=set_id,
                offset=at - int(self._batch.start[datagram]) if at >= 0 else -1,
                reason=reason,
            )
        )

    def add_all(
        self,
        datagrams: npt.NDArray[np.int64],
        reason: str,
        set_ids: npt.NDArray[np.int64] | None = None,
        at: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Note the same fault once for each entry of `datagrams`."""
        np.add.at(self.malformed, datagrams, 1)
        for i in range(min(len(datagrams), self._limit)):
            self.add(
                int(datagrams[i]),
                reason,
                set_id=-1 if set_ids is None else int(set_ids[i]),
                at=-1 if at is None else int(at[i]),
                counted=False,
            )
