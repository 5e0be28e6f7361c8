"""A server that answers as told, for what a real InfluxDB cannot be brought to say."""

import gzip
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from flowsleuth.config import Influx


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> bytes:
        zipped = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.raw) if zipped else self.raw


@dataclass
class Told:
    """An answer: status, body (JSON), headers."""

    status: int = 204
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """Answers with `answer(asked)`, and remembers what was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Told] = lambda _: Told()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet: else each answer waits for the client's delayed ACK.
            wbufsize = -1

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                size = int(self.headers.get("content-length") or 0)
                asked = Asked(
                    self.command,
                    url.path,
                    {name: values[0] for name, values in parse_qs(url.query).items()},
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(size),
                )
                fake.asked.append(asked)
                told = fake.answer(asked)
                body = b"" if told.body is None else json.dumps(told.body).encode()
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                if told.status != 204:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the names that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Say nothing of a client that was killed, or that trusts us not."""
                if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
                    super().handle_error(*_)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            # The handshake belongs to the thread of each connection, not to the one that accepts.
            listening = self._server.socket
            self._server.socket = tls.wrap_socket(
                listening, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, **more: object) -> Influx:
        return Influx.model_validate({"url": self.url, "token": "t", "org": "netops", **more})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()
