"""The Wall: what Grafana's server computes of small databases, each made for one situation."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from local_grafana import GrafanaService
from services import InfluxService, drop

from flowsleuth.config import Config
from flowsleuth.grafana import trust
from flowsleuth.grafana.write import files
from flowsleuth.points import Table
from flowsleuth.schema import BY_NAME, Kind
from grafana.asking import Rows, ThroughGrafana, data_source
from grafana.filling import Json, Page, Window
from grafana.world import HOUR, MINUTE, SECOND, STEP, _written

Tags = tuple[str, ...]
Asked = Callable[..., dict[str, Rows]]

GREEN, BLUE = ("Green", "out", "udp"), ("Blue", "out", "udp")
WHOLE = ("Green", "out", "all")
M = 1e6


def board(name: str) -> Json:
    return json.loads(files()[f"flowsleuth-{name}.json"])


def panel(title: str) -> Json:
    return next(p for p in board("wall")["panels"] if p["title"].startswith(title))


def _points(
    measurement: str, rates: Mapping[Tags, float], names: Tags, old_s: int
) -> Iterator[Table]:
    """Yield constant rates, bits/s, in the windows of the last half hour."""
    last = (time.time_ns() - old_s * SECOND) // MINUTE * MINUTE
    at = last - np.arange(2, 32) * MINUTE
    for tags, rate in rates.items():
        bytes_ = np.full(len(at), int(rate * 60 / 8))
        fields = {"bytes": bytes_, "packets": bytes_ // 800, "flows": bytes_ * 0 + 1}
        named = dict(zip(names, tags, strict=True))
        yield Table(measurement, {k: [v] * len(at) for k, v in named.items()}, fields, at)


def _baseline(uppers: Mapping[Tags, float | None], limits: Mapping[Tags, float]) -> Iterator[Table]:
    at = np.array([time.time_ns() // STEP * STEP])
    for tags, upper in uppers.items():
        fields = {"bytes_floor": 125_000.0, "learning": float(upper is None)}
        fields |= {"bytes_upper": upper / 8} if upper is not None else {}
        fields |= {"bytes_limit": limits[tags] / 8} if tags in limits else {}
        named = {k: [v] for k, v in zip(BY_NAME["baseline"].tags, tags, strict=True)}
        yield Table("baseline", named, {k: np.array([v]) for k, v in fields.items()}, at)


@pytest.fixture
def asked(influxdb: InfluxService, grafana: GrafanaService) -> Iterator[Asked]:
    """Fill a database and ask a panel of the Wall; rates and bounds in bits/s."""
    made = []

    def ask(
        title: str,
        traffic: Mapping[Tags, float],
        talkers: Mapping[Tags, float],
        uppers: Mapping[Tags, float | None],
        limits: Mapping[Tags, float] | None = None,
        old_s: int = 0,
        *,
        heard: bool = True,
        heavy: Mapping[Tags, Sequence[int]] | None = None,
    ) -> dict[str, Rows]:
        database = f"test_{secrets.token_hex(6)}"
        config = Config.model_validate({"influx": influxdb.settings(database=database)})
        made.append(config)
        total = {("all", "out", "udp"): sum(traffic.values())} if traffic else {}
        tables = [
            *_points("traffic", traffic, ("network", "direction", "protocol"), old_s),
            *_points("talkers", talkers, BY_NAME["talkers"].tags, old_s),
            *_points("profiles", total, ("profile", "direction", "protocol"), old_s),
            *_baseline(uppers, limits or {}),
            *([_heard(old_s)] if heard else []),
            *_heavy(heavy or {}),
        ]
        now = time.time_ns()
        _written(config, now, tables)
        page, window = Page(board("wall")), Window(now - 6 * HOUR, now)
        with data_source(grafana, config) as uid:
            return ThroughGrafana(grafana, uid).answers(panel(title)["targets"], page, window)

    yield ask
    for config in made:
        drop(config)


def _heavy(ago: Mapping[Tags, Sequence[int]]) -> Iterator[Table]:
    """Yield the hours in which talkers were heavy, by how long ago they were, in ns."""
    for tags, times in ago.items():
        at = time.time_ns() - np.array(times)
        named = {k: [v] * len(at) for k, v in zip(BY_NAME["heavy"].tags, tags, strict=True)}
        fields = dict.fromkeys(("bytes", "packets", "flows"), np.full(len(at), 10**9))
        yield Table("heavy", named, fields, at)


def _heard(old_s: int) -> Table:
    at = (time.time_ns() - old_s * SECOND) // MINUTE * MINUTE - np.arange(2, 32) * MINUTE
    tags = {"exporter": "core-1", "domain": "0", "version": "v9"}
    fields = {"datagrams": 60, "records": 1800, "lost": 0}
    return Table(
        "exporters",
        {k: [v] * len(at) for k, v in tags.items()},
        {k: np.full(len(at), v) for k, v in fields.items()},
        at,
    )


def named(answers: dict[str, Rows]) -> set[Tags]:
    """Return the culprits."""
    rows = [row for ref in ("P1", "P2") for row in answers.get(ref, []) if "network" in row]
    return {(row["network"], row["address"], row["port"]) for row in rows}


def said(answers: dict[str, Rows]) -> set[str]:
    """Return what is said of the whole."""
    return {ref for ref in ("Calm", "Stale") if answers.get(ref)}


def judged(answers: dict[str, Rows]) -> set[str]:
    """Return the networks with a line."""
    return {row["network"] for ref in ("Rate1", "Rate2") for row in answers.get(ref, [])}


def test_the_only_talker_of_the_only_network_is_named(asked: Asked) -> None:
    answers = asked(
        "Above normal",
        {GREEN: 100 * M},
        {(*GREEN, "10.1.42.17", "14857"): 95 * M},
        {GREEN: 5 * M, WHOLE: 20 * M},
    )
    assert named(answers) == {("Green", "10.1.42.17", "14857")}


def test_earlier_days_count_whatever_was_heavy_on_the_first_of_fourteen(asked: Asked) -> None:
    """The first day is a part only, and begins before what is looked at."""
    day, culprit = 24 * HOUR, (*GREEN, "10.1.42.17", "14857")
    before = (*GREEN, "10.1.23.5", "14857")
    answers = asked(
        "Above normal",
        {GREEN: 100 * M},
        {culprit: 95 * M},
        {GREEN: 5 * M, WHOLE: 20 * M},
        heavy={
            before: [4 * day, 10 * day],
            (*BLUE, "10.2.9.9", "22"): [14 * day - MINUTE, 2 * day],
        },
    )
    (found,) = (row for row in answers["D2"] if row.get("port") == "14857")
    assert found["value"] == 2


def test_one_network_above_is_not_joined_with_the_one_talker_of_another(asked: Asked) -> None:
    answers = asked(
        "Above normal",
        {GREEN: 100 * M, BLUE: 50 * M},
        {(*BLUE, "10.2.9.9", "22"): 45 * M},
        {GREEN: 5 * M, WHOLE: 20 * M, BLUE: 80 * M, ("Blue", "out", "all"): 80 * M},
    )
    assert named(answers) == set()
    assert judged(answers) == {"Green"}, "it has a line, though nobody is named"


def test_a_protocol_that_has_no_row_shows_in_the_whole(asked: Asked) -> None:
    gre = ("Green", "out", "gre")
    answers = asked(
        "Above normal", {gre: 60 * M}, {(*gre, "10.1.0.9", "0"): 60 * M}, {WHOLE: 20 * M}
    )
    assert named(answers) == {("Green", "10.1.0.9", "0")}


def test_a_limit_is_held_while_nothing_is_known(asked: Asked) -> None:
    answers = asked(
        "Above normal",
        {GREEN: 60 * M},
        {(*GREEN, "10.1.0.9", "53"): 60 * M},
        {WHOLE: None},
        {WHOLE: 30 * M},
    )
    assert named(answers) == {("Green", "10.1.0.9", "53")}


def test_nothing_above_normal_has_no_line(asked: Asked) -> None:
    answers = asked(
        "Above normal",
        {GREEN: 4 * M},
        {(*GREEN, "10.1.0.9", "53"): 4 * M},
        {GREEN: 5 * M, WHOLE: 20 * M},
    )
    assert (named(answers), judged(answers), said(answers)) == (set(), set(), {"Calm"})


@pytest.mark.parametrize("old_s", [900, 8 * 3600], ids=["for minutes", "for longer than all looks"])
def test_stale_data_says_so_and_names_nobody(asked: Asked, old_s: int) -> None:
    answers = asked(
        "Above normal",
        {GREEN: 100 * M},
        {(*GREEN, "10.1.42.17", "14857"): 95 * M},
        {GREEN: 5 * M, WHOLE: 20 * M},
        old_s=old_s,
    )
    assert (named(answers), judged(answers), said(answers)) == (set(), set(), {"Stale"})


@pytest.mark.parametrize("title", ["Above normal", "Exporters: who"])
def test_where_nothing_was_ever_written_nobody_says_that_all_is_well(
    asked: Asked, title: str
) -> None:
    answers = asked(title, {}, {}, {}, heard=False)
    assert said(answers) == set()
    assert "STALE" in panel(title)["fieldConfig"]["defaults"]["noValue"]


@pytest.mark.parametrize(("old_s", "words"), [(0, {"Calm"}), (900, set())])
def test_sound_exporters_are_said_to_be_so_unless_the_data_is_stale(
    asked: Asked, old_s: int, words: set[str]
) -> None:
    answers = asked("Exporters: who", {GREEN: 1 * M}, {}, {}, old_s=old_s)
    assert said(answers) == words


def test_every_state_of_an_exporter_has_words_and_a_remedy() -> None:
    possible = {trust.STALE, *range(2 ** len(trust.FAULTS)), trust.SILENT.bit}
    for said in (trust.words(), trust.remedies()):
        assert {int(state) for state in said[0]["options"]} == possible
        assert all(words["text"] for words in said[0]["options"].values())


@pytest.mark.parametrize("measurement", ["ingester", "exporters"])
def test_all_that_is_counted_is_on_the_page(measurement: str) -> None:
    text = json.dumps(board("exporters"))
    fields = [f.name for f in BY_NAME[measurement].fields if f.kind is not Kind.TEXT]
    assert [name for name in fields if f'\\"{name}\\"' not in text] == []
