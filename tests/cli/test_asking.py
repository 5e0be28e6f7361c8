"""Asking captures: filters, ranges of time, and the largest."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pipeline.made import HOUR, SECOND, START, batches, flows, heard, traffic
from pipeline.made import datagrams as exported

from flowsleuth.cli.moments import moment_ns
from flowsleuth.cli.options import TimeRange
from flowsleuth.cli.top import WIDTH, Wanted, _short, table
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.query.keys import BY_NAME, KEYS
from flowsleuth.query.top import ORDERS, Ranking, Row

READING = ("decode", "points", "load")


def write(path, items):
    with PcapWriter(path) as writer:
        for batch in batches(items, 100):
            writer.write(batch)
    return path


@pytest.fixture
def made(tmp_path):
    return write(tmp_path / "made.pcap", traffic(count=200))


def shown(ran):
    return [json.loads(line) for line in ran.lines]


# --filter


@pytest.mark.parametrize("name", READING)
def test_a_wrong_filter_shows_the_word_and_is_wrong_usage(cli, configured, made, name):
    ran = cli(name, "-c", configured(), "--filter", "proto udp nd port 53", made)
    assert (ran.status, ran.out) == (2, b"")
    said, text, caret = ran.err.splitlines()
    assert said.startswith("flowsleuth: filter: 'nd': ")
    assert "proto udp nd port 53" in text
    assert caret.rstrip().index("^") == text.index("nd")


def test_decode_shows_what_matches_as_exported(cli, made):
    every = shown(cli("decode", made))
    some = shown(cli("decode", "--filter", "proto udp and dst port 53", made))
    assert some == [r for r in every if r["proto"] == 17 and r["dst_port"] == 53]
    assert 0 < len(some) < len(every)
    # bytes of the sampled exporters are multiplied for the filter, not for the reader
    large = shown(cli("decode", "--filter", "bytes > 20M", made))
    assert large == [r for r in every if r["bytes"] * (r["sampling_rate"] or 1) > 20e6]
    assert any(r["bytes"] < 20e6 for r in large)


def test_the_configured_rate_counts_for_the_filter(cli, made, tmp_path):
    config = tmp_path / "rates.yaml"
    config.write_text("exporters: {192.0.2.3: {sampling: 100000}}\n")
    asked = ("decode", "-c", config, "--filter", "bytes > 100G", made)
    assert {r["sampler_address"] for r in shown(cli(*asked))} == {"192.0.2.3"}


def test_nothing_that_matches_is_said(cli, made):
    ran = cli("decode", "--filter", "port 9", made)
    assert (ran.status, ran.out) == (0, b"")
    assert ran.err == "flowsleuth: none of 600 flow records is asked for\n"


def test_a_filter_from_a_file(cli, made, tmp_path):
    path = tmp_path / "dns.filter"
    path.write_text("proto udp\n  and dst port 53\n")
    given = cli("decode", "--filter", "proto udp and dst port 53", made).out
    assert cli("decode", "-f", path, made).out == given
    assert cli("decode", "-f", path, "--filter", "any", made).status == 2
    assert cli("decode", "-f", tmp_path / "none", made).status == 2
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in cli("decode", "-f", path, made).err


def test_points_of_what_matches(cli, made):
    def octets(ran, measurement="profiles,"):
        lines = [line for line in ran.lines if line.startswith(measurement)]
        return sum(int(line.partition(" bytes=")[2].partition("i")[0]) for line in lines)

    udp, rest = (cli("points", "--filter", text, made) for text in ("proto udp", "not proto udp"))
    assert octets(udp) + octets(rest) == octets(cli("points", made))
    assert octets(udp) == octets(udp, "talkers,") > 0


# --from and --to


def at(hours):
    return datetime.fromtimestamp((START + int(hours * HOUR)) / SECOND, UTC).isoformat()


def test_decode_shows_flows_whose_time_touches_the_range(cli, made):
    every = shown(cli("decode", made))
    first, last = START + HOUR // 2, START + HOUR
    ran = cli("decode", made, "--from", at(0.5), "--to", at(1))
    assert shown(ran) == [
        r for r in every if r["time_flow_end_ns"] >= first and r["time_flow_start_ns"] < last
    ]
    assert 0 < len(ran.lines) < len(every)


def test_reports_may_come_an_hour_late(cli, tmp_path):
    """A flow of half an hour, exported at its end: its beginning is asked for."""
    columns, export_ns = flows(1, 60 * SECOND, 1, v6=False)
    for delay, found in ((0, 1), (50 * 60, 1), (65 * 60, 0)):
        items = exported(columns, export_ns + delay * SECOND)
        path = write(tmp_path / f"late-{delay}.pcap", heard({"192.0.2.1": items}))
        ran = cli("decode", path, "--from", at(-1), "--to", at(1 / 60))
        assert len(ran.lines) == found


def test_points_of_adjacent_ranges_add_up(cli, made):
    def octets(*range_):
        lines = cli("points", made, *range_).lines
        found = [line for line in lines if line.startswith("traffic,")]
        return sum(int(line.partition(" bytes=")[2].partition("i")[0]) for line in found)

    assert octets("--to", at(0.7)) + octets("--from", at(0.7)) == octets()
    assert octets("--from", at(0.2), "--until", at(0.7)) < octets()


@pytest.mark.parametrize("name", READING)
def test_times_that_are_none(cli, configured, made, name):
    ran = cli(name, "-c", configured(), made, "--from", "tomorow")
    assert ran.status == 2
    assert "'tomorow' is no time that is understood; write 2026-11-15 14:00" in ran.err
    ran = cli(name, "-c", configured(), made, "--from", "-1h", "--to", "-2h")
    assert ran.status == 2
    assert "is not before its end" in ran.err


def test_bare_datagrams_have_no_receipt_to_choose_by(cli, bare):
    ran = cli("decode", bare, "--from", "-1h")
    assert ran.status == 1
    assert "no time of receipt" in ran.err


def test_replay_sends_a_range(cli, made):
    ran = cli("replay", made, "--to", "127.0.0.1:9", "--speed", 0, "--until", at(-1), "--rebase")
    assert ran.err.startswith("replay: 0 datagrams")
    assert cli("replay", made, "--to", "127.0.0.1:9", "--until", "never").status == 2


NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

MOMENTS = {
    "2026-11-15T14:00:00Z": datetime(2026, 11, 15, 14, tzinfo=UTC),
    "2026-11-15t14:00:00.25z": datetime(2026, 11, 15, 14, 0, 0, 250_000, tzinfo=UTC),
    "2026-11-15 14:00:30+01:00": datetime(2026, 11, 15, 13, 0, 30, tzinfo=UTC),
    "2026-11-15 14:00": datetime(2026, 11, 15, 14).astimezone(),
    "2026-11-15": datetime(2026, 11, 15).astimezone(),
    "now": NOW,
    "now-1h": NOW - timedelta(hours=1),
    "-2d": NOW - timedelta(days=2),
    "-1.5h": NOW - timedelta(hours=1.5),
}


@pytest.mark.parametrize("text", MOMENTS)
def test_times_as_people_write_them(text):
    assert moment_ns(text, NOW) == int(MOMENTS[text].timestamp() * 1000) * 10**6


@pytest.mark.parametrize(
    ("text", "days", "clock"),
    [
        ("14:00", 0, (14, 0, 0)),
        ("9:05:30", 0, (9, 5, 30)),
        ("today", 0, (0, 0, 0)),
        ("yesterday  23:59", -1, (23, 59, 0)),
    ],
)
def test_times_of_day_are_of_the_local_day(text, days, clock):
    local = NOW.astimezone().replace(hour=clock[0], minute=clock[1], second=clock[2])
    expected = (local + timedelta(days=days)).replace(tzinfo=None).timestamp()
    assert moment_ns(text, NOW.astimezone()) == int(expected) * SECOND


@pytest.mark.parametrize(
    "text",
    ["", "25:00", "12", "yesterday noon", "2026-13-01", "20261115", "-1", "-3 h", "now+1h",
     "9999-12-31T23:59:59-23:59", "-99999999999999w", "2026-11-15 14:00 Uhr"],
)  # fmt: skip
def test_what_is_no_time(text):
    try:
        assert not -(2**62) < moment_ns(text, NOW) < 2**63
    except (ValueError, OverflowError):
        return


# --top


def test_the_table_is_80_columns_wide_and_says_what_it_counts(cli, made):
    for keys in ("srcip", "srcip,dstip,srcport,dstport,proto", "network", "dstip/bps", "exporter"):
        lines = cli("decode", made, "--top", keys, "-n", 30).lines
        assert max(map(len, lines)) <= WIDTH
        assert lines[0].startswith("Top 30 of" if len(lines) > 30 else "Top ")
        assert "bytes and packets are after sampling" in " ".join(lines[:2])
        assert any(line.startswith("Flows from ") for line in lines[:3])
        assert lines[-1].startswith("total")


def test_the_ranking_for_machines_is_that_of_the_table(cli, made):
    asked = ("decode", made, "--top", "proto/flows")
    found = json.loads(cli(*asked, "--json").out)
    assert (found["keys"], found["order"], found["distinct"]) == (["proto"], "flows", 3)
    assert [row["flows"] for row in found["top"]] == sorted(
        (row["flows"] for row in found["top"]), reverse=True
    )
    assert sum(row["bytes"] for row in found["top"]) == found["total"]["bytes"]
    lines = cli(*asked).lines
    assert [line.split()[0] for line in lines[4:7]] == [row["proto"] for row in found["top"]]
    assert len(json.loads(cli(*asked, "--json", "-n", 1).out)["top"]) == 1


def test_the_ranking_of_a_range_and_a_filter(cli, made):
    asked = ("decode", made, "--from", at(0.5), "--to", at(1), "--filter", "proto udp")
    every = shown(cli(*asked))
    found = json.loads(cli(*asked, "--top", "srcip/flows", "-n", 1000, "--json").out)
    assert found["total"]["flows"] == len(every)
    ours = {row["srcip"]: row["flows"] for row in found["top"]}
    assert ours == {a: sum(r["src_addr"] == a for r in every) for a in ours}
    lines = cli(*asked, "--top", "srcip").lines
    assert "touches the time from 2023-" in lines[2]


def test_exporters_have_their_configured_names(cli, made, tmp_path):
    (tmp_path / "flowsleuth.yaml").write_text("exporters: {192.0.2.1: {name: core-1}}\n")
    found = json.loads(cli("decode", made, "--top", "exporter", "--json").out)
    assert {row["exporter"] for row in found["top"]} == {"core-1", "192.0.2.2", "192.0.2.3"}


def test_no_flow_at_all(cli, made):
    ran = cli("decode", made, "--filter", "port 9", "--top", "srcip")
    assert (ran.status, ran.lines) == (0, ["no flow record matches"])
    found = json.loads(cli("decode", made, "--filter", "port 9", "--top", "ip", "--json").out)
    assert (found["top"], found["total"]) == ([], {"flows": 0})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("scrip", "'scrip' is no key: did you mean srcip"),
        ("xyz", "known are srcip"),
        ("", "'' is no key"),
        ("srcip,srcip", "names a key twice"),
        ("srcip/byte", "'byte' is no order: did you mean bytes?"),
        ("srcip/", "'' is no order: known are flows"),
    ],
)
def test_rankings_that_are_none(cli, made, asked, said):
    ran = cli("decode", made, "--top", asked)
    assert ran.status == 2
    assert said in " ".join(ran.err.split())


def test_json_belongs_to_top(cli, made):
    assert cli("decode", made, "--json").status == 2


def test_help_names_every_key(cli):
    text = " ".join(cli("decode", "--help").out.decode().split())
    assert all(f" {key.name}" in text for key in KEYS)
    assert set(BY_NAME) == {key.name for key in KEYS}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (9999, "9999"), (12.34, "12.3"), (999.5, "1000"), (10_000, "10.0k"),
        (999_949, "1000k"), (999_960, "1.00M"), (4_560_000, "4.56M"), (99_960_000, "100M"),
        (2**63, "9.22E"),
    ],
)  # fmt: skip
def test_numbers_have_six_characters_at_most(number, text):
    assert _short(number) == text
    assert len(text) <= 6


# load --only-profile


@pytest.mark.parametrize(
    ("profiles", "known"),
    [
        ("", "none is"),
        ("profiles: [{name: web, filter: port 80}, {name: a, filter: any}]", "web, a"),
    ],
)
def test_a_profile_that_is_not_configured(cli, configured, made, profiles, known):
    ran = cli("load", "-c", configured(profiles), "--only-profile", "dns", made)
    assert ran.status == 1
    assert ran.err == f"flowsleuth: profiles: dns: no such profile; configured: {known}\n"


def test_a_profile_has_its_own_filter(cli, configured, made):
    config = configured("profiles: [{name: web, filter: port 80}]")
    ran = cli("load", "-c", config, "--only-profile", "web", "--filter", "any", made)
    assert ran.status == 2


def test_only_a_profile_s_points_are_written(cli, configured, influx, made):
    config = configured(
        "profiles: [{name: web, filter: port 443}, {name: a, filter: any}]\n"
        "retention: {detail: 100y, long: 100y}"
    )
    assert cli("load", "-c", config, "--only-profile", "web", made).status == 0
    assert influx.lines
    assert all(line.startswith("profiles,profile=web,") for line in influx.lines)


# docs/queries.md

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "queries.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [
    line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.strip()
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_s_examples_work(cli, configured, influx, made, tmp_path, example):
    (tmp_path / "archive").mkdir()
    made.rename(tmp_path / "archive" / "made.pcap")
    configured("profiles: [{name: dns-out, filter: port 53}]").rename(tmp_path / "flowsleuth.yaml")
    program, *arguments = shlex.split(example)
    ran = cli(*arguments)
    assert (program, ran.status) == ("flowsleuth", 0), ran.err


def test_the_page_lists_every_key_and_order():
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`([a-z]+)`", row)]
    assert set(BY_NAME) <= set(listed)
    assert all(f"`{order}`" in PAGE for order in ORDERS)


def test_the_page_shows_the_error_of_a_wrong_filter(cli, made):
    (shown_there,) = re.findall(r"```\n(flowsleuth: filter: .*?)```", PAGE, re.DOTALL)
    ran = cli("decode", "--filter", "proto udp and dst prot 53", made)
    assert ran.err == shown_there


def test_the_table_says_what_was_given_up():
    row = Row(("a",), 1, 2, 3, START, START, 0.0, 0.0, 1.5)
    wanted = Wanted((BY_NAME["srcip"],), "bytes")
    lines = list(table(wanted, Ranking([row], row, 12_345, 999, 40_000), TimeRange(None, None)))
    assert lines[0].startswith("Top 1 of 12 345 srcip by bytes")
    assert lines[-1] == "999 small keys were given up on the way: a sum may lack up to 40.0k"
