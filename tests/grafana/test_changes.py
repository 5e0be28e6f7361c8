""" "What changed": who is first, whatever the network as a whole did."""

from typing import Any

import pytest

from flowsleuth.grafana import cells
from flowsleuth.grafana.changes import changed
from flowsleuth.grafana.panels import Panel
from grafana.transformations import transformed

Row = dict[str, Any]

GIGA = 10**9

LARGE = {f"10.1.0.{i}": i * GIGA for i in range(1, 31)}
"""What thirty hosts carried a week ago."""

STEADY = sum(LARGE.values())


def panel() -> Panel:
    return changed(
        "What changed",
        "",
        "talkers",
        cells.tags("direction", "protocol", "address", "host", "port"),
        where=(),
        whole=(),
    )


def ranked(
    now: dict[str, float], before: dict[str, float], names: list[Row] | None = None
) -> list[Row]:
    """Return the panel's rows where these addresses carried so many bytes."""
    ends = {"network": "Green", "direction": "out"}

    def talkers(carried: dict[str, float], column: str) -> list[Row]:
        tags = {**ends, "protocol": "udp", "port": "14857"}
        return [{"Time": 0, **tags, "address": a, column: b} for a, b in carried.items()]

    def whole(carried: dict[str, float], column: str) -> list[Row]:
        return [{"Time": 0, **ends, column: sum(carried.values())}] if carried else []

    frames = [
        talkers(now, "now"),
        talkers(before, "before"),
        whole(now, "all"),
        whole(before, "all_before"),
        names or [],
    ]
    return transformed(list(panel().transformations), [rows for rows in frames if rows])


def addresses(rows: list[Row]) -> list[str]:
    return [row["Address"] for row in rows]


def test_a_new_talker_is_first_in_a_network_that_grew_fivefold() -> None:
    grown = {address: carried * (3 + i % 5) for i, (address, carried) in enumerate(LARGE.items())}
    rows = ranked({**grown, "10.1.42.17": GIGA / 2}, LARGE)
    assert addresses(rows)[0] == "10.1.42.17"
    assert rows[0]["The rest grew"] == pytest.approx(sum(grown.values()) / STEADY)


def test_more_than_five_times_as_much_is_before_a_larger_difference() -> None:
    now = {**LARGE, "10.1.0.30": 36 * GIGA, "10.1.0.1": 6.5 * GIGA}
    assert addresses(ranked(now, LARGE))[:2] == ["10.1.0.1", "10.1.0.30"]


def test_what_merely_doubled_is_ranked_by_its_difference() -> None:
    now = {**LARGE, "10.1.0.30": 36 * GIGA, "10.1.0.1": 2 * GIGA}
    assert addresses(ranked(now, LARGE))[:2] == ["10.1.0.30", "10.1.0.1"]


def test_who_grew_with_all_others_is_not_sudden() -> None:
    sixfold = {address: carried * 6 for address, carried in LARGE.items()}
    assert addresses(ranked(sixfold, LARGE))[0] == "10.1.0.30"


def test_who_makes_the_growth_of_a_network_is_not_excused_by_it() -> None:
    now = {**LARGE, "10.1.0.2": 5000 * GIGA, "10.1.0.30": 60 * GIGA}
    rows = ranked(now, LARGE)
    assert addresses(rows)[0] == "10.1.0.2"
    assert rows[0]["The rest grew"] == pytest.approx(1, abs=0.1)


def test_without_anything_before_the_largest_is_first() -> None:
    rows = ranked(LARGE, {})
    assert addresses(rows)[:2] == ["10.1.0.30", "10.1.0.29"]
    assert rows[0]["Before"] == 0


def test_who_is_gone_has_no_row() -> None:
    now = {address: carried for address, carried in LARGE.items() if address != "10.1.0.30"}
    assert "10.1.0.30" not in addresses(ranked(now, LARGE))


def test_names_stand_beside_their_addresses_and_nowhere_else() -> None:
    names = [
        {"Time": 0, "network": "Green", "address": "10.1.0.7", "host": "nas", "seen": 1},
        {"Time": 0, "network": "Green", "address": "10.1.9.9", "host": "gone", "seen": 1},
    ]
    rows = ranked({"10.1.0.7": 10 * GIGA, "10.1.0.8": 9 * GIGA}, LARGE, names)
    assert [(row["Address"], row.get("Name")) for row in rows] == [
        ("10.1.0.7", "nas"),
        ("10.1.0.8", None),
    ]


def test_only_what_is_meant_for_the_eye_is_shown() -> None:
    rows = ranked({**LARGE, "10.1.42.17": GIGA}, LARGE)
    assert list(rows[0]) == [
        "Direction", "Protocol", "Address", "Port", "Now", "Before", "Change", "Difference",
        "Share", "The rest grew",
    ]  # fmt: skip


def test_what_is_next_to_nothing_is_not_first_for_being_new() -> None:
    rows = ranked({**LARGE, "10.1.0.30": 60 * GIGA, "10.1.42.17": STEADY // 20_000}, LARGE)
    assert addresses(rows)[:2] == ["10.1.0.30", "10.1.42.17"]
