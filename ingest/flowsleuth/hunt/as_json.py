"""Findings as JSON, for scripts: the names are a contract (docs/hunt.md)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.findings import Culprit, Earlier, Finding, Part
from flowsleuth.hunt.links import to_grafana
from flowsleuth.hunt.telling import Teller
from flowsleuth.hunt.totals import SECOND

Json = dict[str, Any]


def as_json(findings: Sequence[Finding], teller: Teller, grafana: str = "") -> Json:
    """Return what is found; times in RFC 3339, in UTC. grafana: its URL, '' where there is none."""
    return {"findings": [_finding(one, teller, grafana) for one in findings]}


def _finding(one: Finding, teller: Teller, grafana: str) -> Json:
    told = one.culprit
    about = teller.service(told)
    return {
        **_series(told.series),
        "address": told.address,
        "port": told.port,
        **_times(told.first, told.last, teller),
        "bytes": one.bytes,
        "expected_bytes": one.expected_bytes,
        "share": round(told.share, 4),
        "kind": told.kind.value,
        "measure": told.measure.name.lower(),
        "addresses": _addresses(told),
        "peers": [_part(part) for part in told.largest_peers],
        "service": None if about is None else {"name": about.name or None, "known": about.known},
        "earlier": [_earlier(each, teller) for each in one.earlier],
        "also": [_series(series) for series in one.also],
        **({"link": to_grafana(grafana, one, teller.window_ns)} if grafana else {}),
    }


def _series(series: Series) -> Json:
    return {
        "network": series.network,
        "direction": series.direction,
        "protocol": series.protocol,
    }


def _addresses(told: Culprit) -> list[str]:
    named = [part.name for part in told.addresses]
    return [told.address] if told.address is not None and not named else named


def _part(part: Part) -> Json:
    return {"address": part.name, "bytes": part.bytes, "share": round(part.share, 4)}


def _earlier(one: Earlier, teller: Teller) -> Json:
    return {
        **_times(one.first, one.last, teller),
        "address": one.address,
        "network": one.network,
        "port": one.port,
        "bytes": one.bytes,
    }


def _times(first: int, last: int, teller: Teller) -> Json:
    return {"start": _moment(first, teller), "end": _moment(last, teller)}


def _moment(window: int, teller: Teller) -> str:
    seconds, ns = divmod(window * teller.window_ns, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ns // 1000)
    return moment.isoformat().replace("+00:00", "Z")
