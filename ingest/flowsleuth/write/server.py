"""An InfluxDB server: the client that talks to it, InfluxQL, and what its errors mean.

Everything goes through influxdb-client, `/query` too, which it has no call for: InfluxQL is the one
language that InfluxDB 1.8 and 2.x share. Errors become one line that says where and what to do.
"""

# mypy: untyped-calls-exclude=influxdb_client
# (the client says that it is typed, and some of it is)

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
)
from urllib3.exceptions import (
    TimeoutError as NoAnswer,
)

from flowsleuth.config import Influx
from flowsleuth.errors import ServiceError

Trouble = (ApiException, HTTPError, OSError)
"""What a request may raise because of the server or the way to it; anything else is a bug."""


PASSING = (NewConnectionError, ProtocolError, NoAnswer, ConnectionError)
"""Of those, what waiting may mend; a wrong certificate does not mend itself."""


class Away(ServiceError):
    """InfluxDB does not answer, or says that it cannot now: it may do so later."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an InfluxQL answer: its name, tags of GROUP BY, and rows by column."""

    name: str
    tags: dict[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def connect(settings: Influx) -> InfluxDBClient:
    """Return a client for `settings`; it talks to the server only when asked something."""
    return InfluxDBClient(
        url=settings.url,
        token=settings.token.get_secret_value(),
        org=settings.org or "-",  # 1.8 ignores it, but the client wants one
        timeout=round(settings.timeout_s * 1000),
        verify_ssl=settings.verify_ssl,
        ssl_ca_cert=settings.ca_file,
    )


def request(
    client: InfluxDBClient,
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: Any = None,
) -> tuple[int, dict[str, str], str]:
    """Return (status, headers in lower case, body) of one request; statuses are never raised."""
    api = client.api_client
    headers = {**api.default_headers, "Accept": "application/json"}
    if isinstance(body, bytes):
        headers["Content-Type"] = "text/plain; charset=utf-8"
    try:
        answer = api.request(
            method,
            client.url.rstrip("/") + path,
            query_params=list((query or {}).items()),
            headers=headers,
            body=body,
        )
    except ApiException as error:
        if not error.status:  # TLS trouble comes as a status 0
            raise
        found = {name.lower(): value for name, value in dict(error.headers or {}).items()}
        return error.status, found, str(error.body or "")
    found = {name.lower(): value for name, value in dict(answer.getheaders()).items()}
    return answer.status, found, answer.data


def influxql(client: InfluxDBClient, settings: Influx, statement: str) -> list[Series]:
    """Return the series that InfluxQL `statement` finds in the configured database.

    Times are ns since the epoch. Raises ServiceError when the server is away or refuses.
    """
    query = {"q": statement, "db": settings.database, "epoch": "ns"}
    try:
        status, _, text = request(client, "POST", "/query", query)
    except Trouble as error:
        raise failure(error, settings) from None
    if status != 200:
        raise refusal(status, message(text), settings)
    return list(_series(text, statement))


def _series(text: str, statement: str) -> Iterator[Series]:
    for result in json.loads(text).get("results", ()):
        if "error" in result:
            raise ServiceError(f"InfluxDB refuses `{statement}`: {result['error']}")
        for found in result.get("series", ()):
            yield Series(
                found.get("name", ""),
                found.get("tags", {}),
                tuple(found.get("columns", ())),
                tuple(map(tuple, found.get("values", ()))),
            )


def message(text: str) -> str:
    """Return what the server says in an error's body, on one line of at most 300 characters.

    What is too much goes from the middle: 2.7 counts the points it dropped after it named two.
    """
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        text = str(parsed.get("message") or parsed.get("error") or text)
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:195]} ... {text[-100:]}"


def failure(error: BaseException, settings: Influx) -> ServiceError:
    """Return what to raise for an exception of `Trouble`: Away where waiting may help."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    kind = Away if isinstance(reason, PASSING) else ServiceError
    return kind(explain(error, settings))


def refusal(status: int, said: str, settings: Influx) -> ServiceError:
    """Return what to raise for an HTTP status that is no success: Away where waiting may help."""
    kind = Away if status == 429 or status >= 500 else ServiceError
    return kind(explain_status(status, said, settings))


def explain(error: BaseException, settings: Influx) -> str:
    """Return one line for an exception of `Trouble`: what happened and what to do."""
    if isinstance(error, InfluxDBError) and error.response is not None:
        return explain_status(error.response.status, message(str(error.message)), settings)
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    reason = " ".join(str(getattr(error, "reason", None) or error).split())
    # urllib3 puts its connection object before what the system says.
    reason = reason.rpartition(">: ")[2]
    return (
        f"InfluxDB at {settings.url} cannot be reached: {reason[:200]}: "
        "see that it runs, and influx.url"
    )


def explain_status(status: int, said: str, settings: Influx) -> str:
    """Return one line for an HTTP status that is no success."""
    place = f"InfluxDB at {settings.url}"
    if status == 401:
        return f"{place} does not accept influx.token (401: {said}): set a valid one"
    if status == 403:
        return f"{place} does not let the holder of influx.token do this (403: {said})"
    return f"{place} answers {status}: {said}"
