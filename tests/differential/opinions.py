"""Which captures a second decoder may judge, and what the known exceptions are.

The `netflow` package reads v1, v5, v9 and fixed-length IPFIX. What the README notes of a capture
decides; a capture in which the package itself is wrong stands in the table with the reason.
"""

from collections.abc import Mapping

from golden.catalogue import NETFLOW, Group

_BEYOND = ("varlen", "enterprise", "0-length", "MALFORMED", "withdrawal", "without/before")
"""Notes of the README on captures which the package cannot read: it raises, hangs, or loses the
datagram (variable length, enterprise elements, missing templates, fields of length 0)."""

WRONG: Mapping[str, str] = {
    "logstash/ipfix_test_mikrotik_data259.dat": (
        "raises PaddingCalculationError: the padding is not of zeros (a SHOULD of RFC 7011, 3.3.1)"
    ),
    "logstash/netflow9_test_invalid01.dat": (
        "raises struct.error: the options record is shorter than it computes (RFC 3954, 6.1)"
    ),
}
"""Captures which the package should be able to read, and what it makes of them instead."""


def _may_judge(group: Group) -> bool:
    kinds = {row.format for row in group.rows}
    notes = "; ".join(row.special for row in group.rows)
    return (
        group.records > 0
        and kinds <= {"v1", "v5", "v9", "IPFIX", "v5/v9"}
        and not any(note in notes for note in _BEYOND)
        and group.name not in WRONG
    )


ELIGIBLE = [group for group in NETFLOW if _may_judge(group)]
