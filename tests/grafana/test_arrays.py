"""Arrays in InfluxDB's place give the same answers: both are asked about the same random points."""

import itertools
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from services import InfluxService, drop

from flowsleuth.config import Config
from flowsleuth.write import server, setup
from grafana.evaluator import Influx, Points, Query, read_rules
from grafana.evaluator.arrays import Arrays, Grid
from grafana.evaluator.values import Refused

END = int(time.time()) // 3600 * 3600
HOURS = 2
STEP = 60

NETWORKS = ("Green", "Blue", "it's /x/")
"""A name that has to be quoted is among them."""


class Random:
    """Points of all measurements that rules ask, with gaps and zeros, in memory and as lines."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        times = np.arange(END - HOURS * 3600, END, STEP)
        steps = np.arange(END - HOURS * 3600, END + 3600, 300)
        hours = np.arange(END - 4 * 86_400, END, 3600)
        ways = [
            {"network": n, "direction": d} for n, d in itertools.product(NETWORKS, ("in", "out"))
        ]
        cuts = [w | {"protocol": p} for w in ways for p in ("tcp", "udp")]
        ends = [{"address": f"10.0.0.{i}", "port": str(port)} for i in (1, 2) for port in (53, 80)]
        talkers = [c | e for c in cuts for e in (*ends, {"address": "other", "port": "other"})]
        wholes = [w | {"protocol": "all"} for w in ways]
        profiles = [{"profile": "all"} | {k: c[k] for k in ("direction", "protocol")} for c in cuts]
        normal = ("bytes_upper", "bytes_expected", "bytes_floor", "lag_s")
        pairs = [t | {"peer": "192.0.2.1"} for t in talkers[:9]]
        self.grids = {
            "traffic": self._grid(cuts, times, ("bytes", "packets"), random),
            "talkers": self._grid(talkers, times, ("bytes", "peers"), random),
            "conversations": self._grid(pairs, times, ("bytes",), random),
            "baseline": self._grid(cuts + wholes, steps, normal, random),
            "profiles": self._grid(profiles[:4], times, ("bytes",), random),
            "ingester": self._grid([{"ingester": "main"}], times, ("datagrams",), random),
            "heavy": self._grid(talkers[:20], hours, ("bytes",), random),
        }

    @staticmethod
    def _grid(
        tags: list[dict[str, str]],
        times: np.ndarray,
        fields: tuple[str, ...],
        random: np.random.Generator,
    ) -> Grid:
        shape = (len(tags), len(times))
        there = random.random(shape) < 0.7
        there[:: max(len(tags) // 3, 1), 30:60] = False
        columns = {
            name: np.where(there, random.integers(0, 50, shape) * 200_000.0, np.nan)
            for name in fields
        }
        return Grid(tuple(tags), columns, times * 1000, whole=WHOLE & set(fields))

    def grid(self, measurement: str, begin_ms: int, end_ms: int) -> Grid:
        return self.grids[measurement]

    def lines(self) -> Iterator[str]:
        for name, grid in self.grids.items():
            for row, tags in enumerate(grid.tags):
                said = ",".join(f"{key}={_escaped(value)}" for key, value in tags.items())
                for place, at in enumerate(grid.time_ms.tolist()):
                    cells = {key: column[row, place] for key, column in grid.columns.items()}
                    if not np.isnan(next(iter(cells.values()))):
                        values = ",".join(f"{key}={_cell(key, v)}" for key, v in cells.items())
                        yield f"{name},{said} {values} {at // 1000}"


WHOLE = frozenset({"bytes", "packets", "datagrams"})


def _escaped(text: str) -> str:
    return text.replace(" ", "\\ ")


def _cell(name: str, value: float) -> str:
    return f"{value:.0f}i" if name in WHOLE else f"{value}"


@pytest.fixture(scope="module")
def points() -> Random:
    return Random()


@pytest.fixture(scope="module")
def config(influxdb: InfluxService, points: Random) -> Iterator[Config]:
    made = Config(influx=influxdb.settings(database=f"test_{secrets.token_hex(6)}"))
    setup.prepare(made)
    settings = made.influx
    with server.connect(settings) as client, client.write_api() as api:
        lines = list(points.lines())
        detail = [line for line in lines if line.split(",")[0] in DETAIL]
        api.write(settings.detail, settings.org, detail, write_precision="s")
        rest = [line for line in lines if line.split(",")[0] not in DETAIL]
        api.write(settings.database, settings.org, rest, write_precision="s")
    yield made
    drop(made)


DETAIL = {"talkers", "conversations", "heavy"}

WHO = '"network", "direction", "protocol"'
ENDS = f'{WHO}, "address", "port"'


def asked(what: str, measurement: str = "traffic", where: str = "", by: str = WHO) -> str:
    where = f" AND {where}" if where else ""
    source = f'"detail"."{measurement}"' if measurement in DETAIL else f'"{measurement}"'
    return f"SELECT {what} FROM {source} WHERE $timeFilter{where} GROUP BY {by}"


def again(what: str, inner: str, where: str = "", by: str = WHO) -> str:
    where = f" WHERE {where}" if where else ""
    return f"SELECT {what} FROM ({inner}){where} GROUP BY {by}"


RATE = 'sum("bytes")*8/60 AS "r"'

QUERIES = [
    asked('sum("bytes")*8/60'),
    asked('mean("bytes")+max("packets")-min("packets")'),
    asked('sum("bytes") / sum("packets")', where='"bytes" = 0', by='"network"'),
    asked('sum("bytes")', by=f"time(1m), {WHO} fill(none)"),
    asked(
        'sum("bytes")',
        where='"protocol" !~ /tcp|icmp/ AND ("network" =~ /^Gr.*/ OR '
        "\"network\" = 'it\\'s /x/' AND \"direction\" != 'in')",
        by='"network"',
    ),
    asked('last("bytes_upper")*8', "baseline"),
    asked('first("lag_s")', "baseline"),
    again('max("l")', asked('last("lag_s") AS "l"', "baseline")),
    asked('sum("bytes")*8/60', "talkers", '"bytes" > 100 * 60 AND "address" != \'other\'', ENDS),
    again('"r"', asked(RATE, "talkers", by=ENDS), '"r" > 900000', ENDS),
    again('max("r"), count("r")', asked(RATE, "talkers", by=ENDS), "\"address\" != 'other'"),
    again('mean("r")', asked(RATE, by=f"time(60s), {WHO} fill(0)")),
    again('max("r")', asked('sum("bytes")*0.5 AS "r"', by=f"time(5m), {WHO} fill(none)")),
    again('min("r")', asked(RATE, by=f"time($interval), {WHO}"), '"r" >= 1000', '"network"'),
    again('difference("r")', asked(RATE, by=f"time(60s), {WHO} fill(0)")),
    again('difference("r")', asked(RATE, by=f"time(60s), {WHO} fill(none)")),
    'SELECT count("bytes"), sum("packets") AS "p" FROM "traffic" WHERE $timeFilter',
]


def shipped() -> list[str]:
    """The queries of the rules of above normal, each once."""
    rules = read_rules(RULES).values()
    nodes = [n for r in rules if r.title.startswith("Traffic above normal") for n in r.nodes]
    return sorted({node.query.text for node in nodes if node.query})


RULES = Path(__file__).parents[2] / "provisioning" / "alerting"

RANGES = [(60, 0), (299, 0), (238, 179), (1078, 179), (3600, 3000), (86_400 * 3, 21_600)]


def answer(found: list[Points]) -> set[str]:
    """Return the series at the only instant, with their numbers to 12 digits."""
    return {
        json.dumps([sorted(one.labels), *(f"{v:.12g}" for v in one.value[0][one.there[0]])])
        for one in found
        if one.there[0].any()
    }


def labels(found: set[str]) -> set[str]:
    return {str(json.loads(one)[0]) for one in found}


@pytest.mark.parametrize("text", [*QUERIES, *shipped()])
def test_arrays_answer_as_influxdb_does(text: str, points: Random, config: Config) -> None:
    # Which of several last points at the same time is the last, InfluxDB does not say.
    said = labels if 'last("bytes")' in text else set
    ours = Arrays(points)
    with Influx(config.influx) as theirs:
        for begin, end in RANGES:
            query = Query(text, begin, end, interval_ms=120_000)
            for at in (END, END - 1771, END - 3600, END - 2 * 3600):
                instants = np.array([at])
                expected = said(answer(theirs.ask(query, instants)))
                assert said(answer(ours.ask(query, instants))) == expected, (begin, end, at)


@pytest.mark.parametrize("text", QUERIES)
def test_many_instants_at_once_are_as_one_after_the_other(text: str, points: Random) -> None:
    query, at = Query(text, 600, 60), np.arange(END - 3600, END, 30)
    many = Arrays(points).ask(query, at)
    for i in range(0, len(at), 7):
        one = Arrays(points).ask(query, at[i : i + 1])
        parts = [Points(p.labels, p.value[i : i + 1], p.there[i : i + 1]) for p in many]
        assert answer(parts) == answer(one)


def test_what_is_not_written_yet_is_not_seen(points: Random) -> None:
    class Late:
        def grid(self, measurement: str, begin_ms: int, end_ms: int) -> Grid:
            grid = points.grids[measurement]
            return Grid(grid.tags, grid.columns, grid.time_ms, written_s=125)

    at = np.array([END])
    late, then = Query(QUERIES[0], 599, 0), Query(QUERIES[0], 599, 125)
    assert answer(Arrays(Late()).ask(late, at)) == answer(Arrays(points).ask(then, at))


@pytest.mark.parametrize(
    "text",
    [
        asked('percentile("bytes", 90)'),
        asked('spread("bytes")'),
        asked('"bytes"', by='"network"'),
        'SELECT sum("bytes") FROM "traffic" WHERE time > now() - 1h',
        again('sum("r")', asked(RATE, by="time(1m) fill(previous)")),
    ],
)
def test_what_arrays_do_not_do_is_refused(text: str, points: Random) -> None:
    with pytest.raises(Refused):
        Arrays(points).ask(Query(text, 300, 0), np.array([END]))
