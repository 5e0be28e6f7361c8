"""Slates as workers in known states would have written them."""

import urllib.error
import urllib.request

from flowsleuth.health.ingester import FIELDS
from flowsleuth.health.slate import Slate
from flowsleuth.write.influx import Standing


def slate(sockets=1, writing=Standing.TAKEN, decoding=True, **totals):
    """A slate of a worker that is well, but for what is said otherwise."""
    shown = Slate()
    shown.show(dict.fromkeys(FIELDS, 0.0) | totals, sockets, writing)
    if decoding:
        shown.decoding()
    return shown


def get(url, method="GET"):
    """Status, content type and text of an answer, whatever the status."""
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()
