"""The demo's questions, put to lines in a file; the real InfluxDB is asked in test_run."""

from pathlib import Path

from flowsleuth.demo import report
from flowsleuth.demo.ask import LinePoints, Question

MINUTE = 60_000_000_000
NOW = 30_000_000 * MINUTE + 5
AT = {"now": NOW - 5, "yesterday": NOW - 5 - 1440 * MINUTE, "last week": NOW - 5 - 10_080 * MINUTE}


def line(measurement: str, tags: str, octets: int, when: str, late: int = 0) -> str:
    return f"{measurement},{tags} bytes={octets}i,packets=1i {AT[when] + late}\n"


def points(tmp_path: Path) -> LinePoints:
    green = "network=Green,direction=out,protocol=udp"
    lines = [
        line("traffic", green, 7_000_000_000, "now"),
        line("traffic", green, 5, "now", late=77),
        line("traffic", green, 100, "yesterday"),
        line("traffic", "network=Blue,direction=in,protocol=tcp", 10**9, "last week"),
        line("talkers", f"{green},address=10.1.42.17,port=14857", 6_900_000_000, "now"),
        line("talkers", f"{green},address=10.1.2.3,port=443", 100_000_005, "now"),
        line("talkers", f"{green},address=10.1.23.5,port=14857", 2_000, "last week"),
    ]
    paths = [tmp_path / "one.lp", tmp_path / "two.lp"]
    paths[0].write_text("".join(lines[:3]))
    paths[1].write_text("".join(lines[3:]))
    return LinePoints(paths)


def test_sums_from_files(tmp_path: Path) -> None:
    asked = points(tmp_path)
    by = ("network", "direction")
    assert asked.sums(Question("traffic", by)) == {
        ("Green", "out"): 7_000_000_105,
        ("Blue", "in"): 10**9,
    }
    assert asked.sums(Question("traffic", by, {"protocol": "udp"}, until=AT["now"])) == {
        ("Green", "out"): 100
    }
    minutes = asked.sums(Question("traffic", (), {"network": "Green"}, by_minute=True))
    assert minutes == {(str(AT["now"]),): 7_000_000_005, (str(AT["yesterday"]),): 100}


def test_the_tables_tell_the_story(tmp_path: Path) -> None:
    text = "\n".join(
        "\n".join([title, *lines])
        for title, lines in report.story(points(tmp_path), report.Times(NOW))
    )
    assert "7 000 000 005" in text
    rows = [" ".join(row.split()) for row in text.splitlines()]
    assert "1 10.1.42.17 14857 6 900 000 000 98.6%" in rows
    assert any(row.endswith("10.1.23.5 2 000") for row in rows)
    assert text.index("10.1.23.5 ") < text.rindex("10.1.42.17")


def test_differences_are_named(tmp_path: Path) -> None:
    truth = {("Green", "out"): 7_000_000_105, ("Blue", "in"): 10**9}
    assert report.differences(points(tmp_path), truth) == []
    assert report.differences(points(tmp_path), truth | {("Red", "in"): 1}) == [
        "Red in: 0 in the points, 1 exported"
    ]


def test_a_table_of_nothing_has_its_heads() -> None:
    assert report.table(("when", "address"), []) == ["  when  address"]
