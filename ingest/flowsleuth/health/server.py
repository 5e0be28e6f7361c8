"""The HTTP server of `/healthz` and `/metrics`: a thread of the process that was started.

With several workers that is their parent, which lives as long as the ingester and has nothing else
to do. The server only reads slates, so what it answers costs the workers nothing. It is on the
loopback unless configured otherwise: it has no authentication.
"""

import json
import logging
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from flowsleuth.config import Config, Listener
from flowsleuth.errors import ServiceError
from flowsleuth.health.alive import report
from flowsleuth.health.metrics import registry
from flowsleuth.health.slate import Slate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("flowsleuth.health")

REQUEST_S = 10.0
"""How long a client may take to ask."""


@contextmanager
def serving(config: Config, slates: Sequence[Slate]) -> Iterator[None]:
    """Answer while the block runs, if the configuration has an endpoint for it.

    Raises ServiceError where the endpoint cannot be had; where nobody configured it, that is a
    warning, since a second ingester on a machine finds the usual port taken.
    """
    if config.health is None:
        yield
        return
    try:
        server = _bound(config.health, _app(config.ingester, slates))
    except ServiceError as error:
        if "health" in config.model_fields_set:
            raise
        log.warning("%s; there is no /healthz and no /metrics", error)
        yield
        return
    with server:
        host, port = server.server_address[:2]
        log.info("http://%s/healthz and /metrics", Listener(host=str(host), port=port).text)
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


def _app(ingester: str, slates: Sequence[Slate]) -> "WSGIApplication":
    metrics: WSGIApplication = make_wsgi_app(registry(ingester, slates))

    def app(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _text(respond, "405 Method Not Allowed", "GET only\n")
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, respond)
        if path == "/healthz":
            said = report(slates)
            status = "200 OK" if said["alive"] else "503 Service Unavailable"
            return _text(respond, status, json.dumps(said) + "\n", "application/json")
        return _text(respond, "404 Not Found", "here are /healthz and /metrics\n")

    return app


def _text(
    respond: "StartResponse", status: str, text: str, kind: str = "text/plain; charset=utf-8"
) -> list[bytes]:
    body = text.encode()
    respond(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name there
        log.debug(format, *arguments)


def _bound(endpoint: Listener, app: "WSGIApplication") -> _Server:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET

    class Server(_Server):
        address_family = family

        def server_bind(self) -> None:
            # Without this Python's own asks the resolver for a name of the address.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)
            self.server_address = self.socket.getsockname()
            self.server_name, self.server_port = endpoint.host, self.server_address[1]
            self.setup_environ()

    try:
        server = Server((endpoint.host, endpoint.port), _Handler)
    except OSError as error:
        raise ServiceError(
            f"health {endpoint.text}: {error.strerror or error}: choose another HOST:PORT, or "
            "`health: null` for none"
        ) from None
    server.set_app(app)
    return server
