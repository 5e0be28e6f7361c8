"""Exporters of their own addresses on loopback, each sending from several ports; all bytes known.

The templates come from the first port only, as of an exporter whose processes share an address: a
worker that got only the other ports could decode nothing.
"""

import random
import socket
import time
from typing import Self

from decode import wire

TEMPLATE = 256
PORTS = 3


class Exporter:
    """One exporter, number 2 to 250: v9 from 127.0.0.number, flows from 10.0.0.number."""

    def __init__(self, number: int, port: int) -> None:
        self.address = f"127.0.0.{number}"
        self.bytes = self.flows = self.datagrams = 0
        self._number = number
        self._to = ("127.0.0.1", port)
        self._random = random.Random(number)
        self._sequences = [0] * PORTS
        self._sockets = []
        for _ in range(PORTS):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets.append(sock)
            sock.bind((self.address, 0))

    def announce(self) -> None:
        """Send the template, from the first port."""
        self._send(0, wire.template(TEMPLATE, wire.BASIC, version=9))

    def export(self, datagrams: int = 6, records: int = 5) -> None:
        """Send data from all ports in turn, dated now."""
        for i in range(datagrams):
            sizes = [self._random.randrange(40, 60_000) for _ in range(records)]
            listed = [
                wire.basic(self._number, j, 40_000 + j, octets=size) for j, size in enumerate(sizes)
            ]
            self._send(i % PORTS, wire.data(TEMPLATE, *listed))
            self.bytes += sum(sizes)
            self.flows += records

    def _send(self, at: int, *sets: bytes) -> None:
        head = {"sequence": self._sequences[at], "seconds": int(time.time())}
        self._sockets[at].sendto(wire.v9(*sets, **head), self._to)
        self._sequences[at] += 1
        self.datagrams += 1

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


class Exporters(list[Exporter]):
    """Those of 127.0.0.2 to 127.0.0.9; a context manager."""

    def __init__(self, port: int) -> None:
        super().__init__(Exporter(number, port) for number in range(2, 10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for exporter in self:
            exporter.close()

    def announce(self) -> None:
        for exporter in self:
            exporter.announce()

    def export(self) -> None:
        for exporter in self:
            exporter.export()

    @property
    def bytes(self) -> int:
        return sum(exporter.bytes for exporter in self)

    @property
    def flows(self) -> int:
        return sum(exporter.flows for exporter in self)

    @property
    def datagrams(self) -> int:
        return sum(exporter.datagrams for exporter in self)
