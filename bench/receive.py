"""CPU per datagram of the UDP receiver beside a plain recvfrom loop, in one run.

    python bench/receive.py [datagrams]

Each receiver runs in a process of its own, which is sent the same paced datagrams over loopback.
Prints CPU microseconds (user + system) per datagram received, what was lost, and the ratio.
"""

import multiprocessing
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.udp import UdpReceiver

PAYLOAD = bytes(1464)
PER_SECOND = 40_000
QUIET_SECONDS = 1.0
BUFFER = 8 * 1024 * 1024


def plain(pipe: Connection) -> int:
    """Receive one datagram a call into a list, as a simple collector does."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(QUIET_SECONDS)
    pipe.send(sock.getsockname()[1])
    received, batch = 0, []
    while True:
        try:
            batch.append(sock.recvfrom(65535))
        except TimeoutError:
            if received or batch:
                return received + len(batch)
            continue
        if len(batch) >= 2000:
            received += len(batch)
            batch = []


def ours(pipe: Connection) -> int:
    """Receive with UdpReceiver and let the batches go."""
    receiver = UdpReceiver([("127.0.0.1", 0)], Sources(), receive_buffer=BUFFER)
    receiver.start()
    pipe.send(receiver.addresses[0][1])
    received = 0
    while True:
        batch = receiver.batches(QUIET_SECONDS)
        if batch is not None:
            received += len(batch)
        elif received:
            receiver.stop()
            return received


def run(pipe: Connection, receive: Callable[[Connection], int]) -> None:
    """Receive until it is quiet, then tell how many came and what CPU they took."""
    begun = time.process_time()
    received = receive(pipe)
    pipe.send((received, time.process_time() - begun))


def send(port: int, count: int) -> None:
    """Send `count` datagrams at PER_SECOND, some at a time."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    begun = time.monotonic()
    for i in range(count):
        sock.send(PAYLOAD)
        if i % 40 == 0:
            time.sleep(max(0.0, begun + i / PER_SECOND - time.monotonic()))


def measure(receive: Callable[[Connection], int], count: int) -> float:
    """Return CPU microseconds per datagram."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=run, args=(there, receive))
    process.start()
    port = here.recv()
    send(port, count)
    received, cpu = here.recv()
    process.join()
    print(f"{receive.__name__:>6}: {cpu / received * 1e6:5.2f} us, lost {count - received}")
    return float(cpu / received * 1e6)


def main() -> None:
    """Measure both, in turn."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    simple = measure(plain, count)
    print(f" ratio: recvfrom takes {simple / measure(ours, count):.1f} times the CPU")


if __name__ == "__main__":
    main()
