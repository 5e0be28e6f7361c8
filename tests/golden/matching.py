"""Expected records against decoded ones, whatever the order in which either comes.

A source may list its records in another order than the wire (a map in between), so each expected
record takes the decoded one with which it agrees in all fields; if there is none, the one with
which it agrees in most, and then the fields that differ are named.
"""

from dataclasses import dataclass
from typing import Any

from .command import Record

MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Difference:
    """One field of one expected record that the decoder gives another value, or none."""

    field: str
    expected: Any
    decoded: Any

    def __str__(self) -> str:
        return f"{self.field}: golden {self.expected!r}, decoded {self.decoded!r}"


def view(record: Record) -> Record:
    """Return the record with what goldens state in another unit: times in ms, the duration."""
    seen = dict(record)
    for end in ("start", "end"):
        if (stamp := record.get(f"time_flow_{end}_ns")) is not None:
            seen[f"time_flow_{end}_ms"] = stamp // MILLISECOND
    if {"time_flow_start_ms", "time_flow_end_ms"} <= seen.keys():
        seen["duration_ms"] = seen["time_flow_end_ms"] - seen["time_flow_start_ms"]
    return seen


def compare(expected: list[Record], decoded: list[Record]) -> list[Difference]:
    """Return the fields of `expected` that differ; every decoded record is taken at most once."""
    free = [view(record) for record in decoded]
    inexact = []
    for record in expected:
        twin = next((other for other in free if not _fields(record, other)), None)
        if twin is None:
            inexact.append(record)
        else:
            free.remove(twin)
    differences = []
    for record in inexact:
        if not free:
            differences.append(Difference("record", record, None))
            continue
        nearest = min(free, key=lambda other: len(_fields(record, other)))
        free.remove(nearest)
        differences += _fields(record, nearest)
    return differences


def _fields(expected: Record, decoded: Record) -> list[Difference]:
    return [
        Difference(field, value, decoded.get(field))
        for field, value in expected.items()
        if decoded.get(field) != value
    ]
