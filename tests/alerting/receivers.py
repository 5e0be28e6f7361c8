"""Who is told: an HTTP receiver and an SMTP server of the tests, on loopback."""

import email
import email.policy
import html
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

Json = dict[str, Any]


@dataclass
class Receivers:
    """What arrived, in order; posted: by path."""

    http: str
    smtp: tuple[str, int]
    posted: list[tuple[str, Json]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    def of(self, path: str, alert: str) -> list[Json]:
        """Return what was posted to a path of the alerts whose title begins so."""
        return [
            body
            for where, body in self.posted
            if where == path and body["alerts"][0]["labels"]["alertname"].startswith(alert)
        ]


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Run both until the block ends."""
    made = Receivers("", ("", 0))

    class Posted(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posted.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Mailed:
        async def handle_DATA(  # noqa: N802  aiosmtpd asks for it by this name
            self, _server: object, _session: object, envelope: Any
        ) -> str:
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            made.mails.append(mail)
            return "250 OK"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Posted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mail = Controller(Mailed(), hostname="127.0.0.1", port=_free_port())
    mail.start()
    made.http = f"http://127.0.0.1:{server.server_port}"
    made.smtp = ("127.0.0.1", mail.port)
    try:
        yield made
    finally:
        mail.stop()
        server.shutdown()
        server.server_close()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def text(mail: EmailMessage) -> str:
    """Return the words of a mail, a line each: Grafana sends HTML, if nothing else is said."""
    part = mail.get_body(("html",))
    assert part is not None
    body = re.sub(r"<(style|head)\b.*?</\1>", "", part.get_content(), flags=re.DOTALL)
    lines = re.sub(r"<[^>]+>", "", re.sub(r"<br/?>\s*", "\n", body)).splitlines()
    return "\n".join(html.unescape(line).strip() for line in lines)
