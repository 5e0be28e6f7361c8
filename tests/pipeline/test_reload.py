"""A reload: what it changes, what it says, and that no byte and no series knows of it."""

import functools
import logging
from collections import Counter
from ipaddress import ip_network

import numpy as np
import pytest
import yaml
from decode import wire
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.stamps import live_stamp
from flowsleuth.config import Config, parse
from flowsleuth.errors import ConfigError
from flowsleuth.pipeline.holdings import MOST_KEPT, changed, digests, remembered
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.reload import LONGEST, needs_restart, plan

from .made import HOUR, batches, config, lines_of, points, read, total, traffic
from .test_collector import Site, flow

NETWORKS = {
    "two": [
        {"name": "Green", "prefixes": ["10.1.0.0/16", "2001:db8:1::/48"]},
        {"name": "Blue", "prefixes": ["10.2.0.0/16"]},
    ],
    "other way": [
        {"name": "Blue", "prefixes": ["10.2.0.0/16"], "site": "hq"},
        {"name": "Green", "prefixes": ["10.1.0.0/16", "2001:db8:1::/48"]},
    ],
    "one": [{"name": "Blue", "prefixes": ["10.0.0.0/8"]}],
    "nested": [
        {"name": "Red", "prefixes": ["10.1.0.0/28"]},
        {"name": "Green", "prefixes": ["10.1.0.0/16", "2001:db8::/32"]},
        {"name": "Grey", "prefixes": ["192.0.2.0/24"]},
    ],
    "none": [{"name": "Nowhere", "prefixes": ["203.0.113.0/24"]}],
}
TRAFFIC = traffic(60, span_ns=HOUR)


@functools.cache
def without_reloads(networks):
    return points(TRAFFIC, networks=NETWORKS[networks])


MINUTE = 60 * 10**9
NEVER = 10**6


def reloaded(order, every, size=20):
    """The lines of TRAFFIC where each `every` batches another of NETWORKS is configured."""
    pipeline = Pipeline(config(networks=NETWORKS[order[0]]), {})
    now, tables, closed, changes = 0, [], 0, 0

    def stamp():
        stamp.flushes += 1
        return live_stamp(now + stamp.flushes * 10**6, 0, 0)

    stamp.flushes = 0
    for number, batch in enumerate(batches(TRAFFIC, size)):
        if number and number % every == 0:
            changes += 1
            former = pipeline
            pipeline = Pipeline(config(networks=NETWORKS[order[changes % len(order)]]), {})
            tables += pipeline.succeed(former, stamp())
        decoded = pipeline.feed(batch)
        now = int(decoded.received_ns.max())
        if (now - MINUTE) // MINUTE > closed:
            closed = (now - MINUTE) // MINUTE
            tables += pipeline.flush(closed, stamp())
    tables += pipeline.finish(stamp())
    assert changes or every == NEVER
    return pipeline, lines_of(tables)


@functools.cache
def live():
    """The lines of TRAFFIC as `collect` writes them, without a reload."""
    return reloaded(["two"], NEVER)[1]


def exporters(lines):
    """Everything that is said of each exporter in each window, gauges too."""
    rows = (read(line) for line in lines if line.startswith("exporters,"))
    said = [(time // MINUTE, sorted(tags.items()), fields) for _, tags, fields, time in rows]
    return sorted(said, key=repr)


def by_total(lines, measurement):
    """Bytes by network, direction, protocol and window."""
    sums = Counter()
    for line in lines:
        if line.startswith(f"{measurement},"):
            _, tags, fields, time = read(line)
            sums[tags["network"], tags["direction"], tags["protocol"], time // MINUTE] += fields[
                "bytes"
            ]
    return sums


def by_window(lines, measurement, name="bytes"):
    """Sum a field by tags (but for the networks') and window."""
    sums = Counter()
    for line in lines:
        if line.startswith(f"{measurement},"):
            _, tags, fields, time = read(line)
            kept = tuple(sorted((k, v) for k, v in tags.items() if k != "site"))
            sums[kept, time // MINUTE] += fields.get(name, 0)
    return +sums


@settings(max_examples=6)
@given(st.lists(st.sampled_from(sorted(NETWORKS)), min_size=2, max_size=4), st.integers(1, 7))
def test_no_total_knows_of_reloads(order, every):
    pipeline, lines = reloaded(order, every)
    plain = without_reloads("two")
    assert pipeline.records == total(plain, "exporters", "records")
    assert pipeline.datagrams == len(TRAFFIC)
    assert by_window(lines, "profiles").total() == by_window(plain, "profiles").total()
    for name in ("bytes", "packets", "flows"):
        assert by_window(lines, "interfaces", name) == by_window(plain, "interfaces", name)
        assert total(lines, "talkers", name) == total(lines, "traffic", name)
    assert by_total(lines, "talkers") == by_total(lines, "traffic")
    assert exporters(lines) == exporters(live())
    places = [(line.rsplit(" ", 2)[0], line.rsplit(" ", 1)[1]) for line in lines]
    assert len(set(places)) == len(places)


@settings(max_examples=4)
@given(st.lists(st.sampled_from(["two", "other way"]), min_size=2, max_size=3), st.integers(1, 5))
def test_networks_that_stay_what_they_are_keep_every_byte(order, every):
    _, lines = reloaded(order, every)
    plain = without_reloads("two")
    for name in ("bytes", "packets", "flows"):
        assert by_window(lines, "traffic", name) == by_window(plain, "traffic", name)


def test_the_hours_heavy_talkers_are_judged_by_the_whole_hour():
    for order in (["two", "other way"], ["other way", "two"]):
        _, often = reloaded(order, 1)
        _, once = reloaded(order, 8)
        assert by_window(often, "heavy").keys() == by_window(once, "heavy").keys() != set()


def test_what_was_learned_and_admitted_goes_on():
    pipeline = Pipeline(config(max_exporters=1, exporters_only=False), {})
    items = [item for item in TRAFFIC if item[1] != "192.0.2.1"]
    first, *rest = batches(items, len(items) // 3)
    pipeline.feed(first)
    series = pipeline.aggregator.use().series
    successor = Pipeline(config(max_exporters=10, series_budget=200_000), {"10.1.0.1": "one"})
    tables = successor.succeed(pipeline, live_stamp(1, 0, 0))
    assert successor.aggregator.use().series > series == 0
    for batch in rest:
        successor.feed(batch)
    lines = lines_of([*tables, *successor.finish(live_stamp(10**9, 0, 0))])
    assert total(lines, "exporters", "missing_template") == 0
    assert total(lines, "exporters", "lost") == 0
    assert {read(line)[1]["exporter"] for line in lines if line.startswith("exporters,")} == {
        "192.0.2.2", "192.0.2.3", "other",
    }  # fmt: skip
    assert any(",host=one," in line for line in lines)


def test_a_larger_budget_gives_a_quarter_of_what_is_more_at_once():
    full = Pipeline(config(series_budget=1000), {})
    for pool in full.aggregator.budget.pools.values():
        pool.allowance = 0.0
    larger, smaller = (Pipeline(config(series_budget=n), {}) for n in (5000, 500))
    larger.succeed(full, live_stamp(1, 0, 0))
    assert larger.aggregator.budget.pools["talkers"].allowance == pytest.approx(400)
    smaller.succeed(larger, live_stamp(2, 0, 0))
    assert smaller.aggregator.budget.pools["talkers"].allowance == pytest.approx(200)


# What changes, in words


def changes(before, after, names=None, now_names=None):
    base = "state_dir: /var/x\n"
    new = parse(base + after)
    return plan(parse(base + before), names or {}, lambda: (new, now_names or {}))


GREEN = "networks: [{name: Green, prefixes: [10.1.0.0/16]}]\n"

SAID = {
    ("", ""): "nothing has changed",
    (GREEN, GREEN.replace("Green", "Blue")): "networks Blue added, Green removed",
    (GREEN, GREEN.replace("10.1", "10.2")): "networks Green changed",
    (GREEN, GREEN.replace("}]", ", site: hq}]")): "networks Green changed",
    ("", "profiles: [{name: dns, filter: udp}]"): "profiles dns added",
    ("", "exporters: {192.0.2.1: , 192.0.2.2: }"): "exporters 192.0.2.1, 192.0.2.2 added",
    ("exporters: {192.0.2.1: }", "exporters: {192.0.2.1: {sampling: 10}}"):
        "exporters 192.0.2.1 changed",
    ("", "share: 0.02\ntop: {bytes: 3}"): "top; share 0.02",
    ("", "exporters_only: true"): "exporters_only true",
    ("", "preset: small"): "series_budget 20000; preset small; waiting for a restart: retention",
    ("", "window: 10s\ngrace: 10s"): "waiting for a restart: window, grace",
    ("", "window: 5s"): "waiting for a restart: window",
    (
        "networks: [{name: A, prefixes: [10.1.0.0/16]}, {name: B, prefixes: [10.2.0.0/16]}]",
        "networks: [{name: B, prefixes: [10.2.0.0/16]}, {name: A, prefixes: [10.1.0.0/16]}]",
    ): "networks in another order",
    ("exporters: {192.0.2.1: , 192.0.2.2: , 192.0.2.3: , 192.0.2.4: , 192.0.2.5: }", ""):
        "exporters 192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more removed",
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), SAID)
def test_a_reload_says_what_changes(before, after):
    what = changes(before, after)
    assert what.text == f"configuration read again: {SAID[before, after]}"
    assert what.changes == ("nothing" not in what.text and " window" not in what.text)


def test_names_of_hosts_are_a_change():
    what = changes("", "", {"10.1.0.1": "a"}, {"10.1.0.1": "b", "10.1.0.2": "c"})
    assert what.changes
    assert what.text == "configuration read again: names of hosts (2)"


def test_what_needs_a_restart_stays_and_the_rest_is_taken_over():
    what = changes(
        "", f"{GREEN}window: 10s\nstate_dir: /elsewhere".replace("state_dir", "spool: 2G #")
    )
    assert what.held_back == ("window", "spool")
    assert what.config.window_ns == MINUTE
    assert what.config.networks[0].name == "Green"
    assert what.config == Config.model_validate(
        {"networks": [{"name": "Green", "prefixes": ["10.1.0.0/16"]}], "state_dir": "/var/x"}
    )


def test_the_text_is_short():
    many = yaml.safe_dump(
        {
            kind: [{"name": f"{kind} {'x' * 60} {i}", **rest(i)} for i in range(3)]
            for kind, rest in (
                ("networks", lambda i: {"prefixes": [f"10.{i}.0.0/16"]}),
                ("profiles", lambda i: {"filter": f"port {i}"}),
            )
        }
    )
    text = changes("", many).text
    assert len(text) == LONGEST
    assert text.endswith("…")


def test_settings_of_sockets_files_and_windows_need_a_restart():
    restarts = {name for name in Config.model_fields if needs_restart(name)}
    assert restarts >= {
        "listen", "influx", "ingester", "window_ns", "grace_ns", "accepted_age_ns", "retention",
        "state_dir", "spool", "receive_buffer",
    }  # fmt: skip
    assert not restarts & {
        "networks", "networks_file", "exporters", "exporters_only", "profiles", "expected", "top",
        "services", "hosts_file", "share", "series_budget", "preset", "max_exporters",
        "max_domains", "max_interfaces",
    }  # fmt: skip


# Networks that are not what they were


def held(*networks, **more):
    entries = [{"name": name, "prefixes": prefixes} for name, *prefixes in networks]
    return digests(config(networks=entries, **more))


GREEN_WAS = held(("Green", "10.1.0.0/16"), ("Blue", "10.2.0.0/16"))


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (held(("Blue", "10.2.0.0/16"), ("Green", "10.1.0.0/16")), []),
        (held(("Green", "10.1.0.0/17", "10.1.128.0/17"), ("Blue", "10.2.0.0/16")), []),
        (held(("Green", "10.1.0.0/16"), ("New", "10.3.0.0/16")), []),
        (held(("Lime", "10.1.0.0/16"), ("Blue", "10.2.0.0/16")), []),
        (held(("Green", "10.1.0.0/17"), ("Blue", "10.2.0.0/16")), ["Green"]),
        (held(("Green", "10.1.0.0/16", "fd00::/8"), ("Blue", "10.2.0.0/16")), ["Green"]),
        (held(("Blue", "10.1.0.0/16"), ("Green", "10.2.0.0/16")), ["Blue", "Green"]),
        # A longer prefix within it is another network's now.
        (
            held(("Green", "10.1.0.0/16"), ("Sub", "10.1.9.0/24"), ("Blue", "10.2.0.0/16")),
            ["Green"],
        ),
    ],
)
def test_a_network_has_changed_when_it_holds_other_addresses(now, names):
    found = changed(GREEN_WAS, now)
    assert list(found) == names
    for name in names:
        assert found[name].startswith(f"network {name}: its prefixes changed; ")


def test_a_profile_has_changed_when_its_filter_has():
    was, same, other = (
        held(("A", "10.0.0.0/8"), profiles=[{"name": "dns", "filter": text}])
        for text in ("udp and port 53", "udp  and port 53", "udp and port 54")
    )
    assert changed(was, same) == {}
    assert list(changed(was, other)) == ["profile:dns"]
    assert changed(was, other)["profile:dns"].startswith("network profile:dns: its filter changed")


def test_what_is_gone_is_remembered_within_bounds():
    gone = remembered(GREEN_WAS, held(("Blue", "10.2.0.0/16")))
    assert list(changed(gone, held(("Green", "10.7.0.0/16")))) == ["Green"]
    assert changed(gone, held(("Green", "10.1.0.0/16"))) == {}
    many = {str(i): "x" for i in range(MOST_KEPT + 5)}
    kept = remembered(many, {"Green": "y"})
    assert len(kept) == MOST_KEPT
    assert next(iter(kept)) == "6"


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 15), st.integers(24, 28)),
        min_size=1,
        max_size=9,
    )
)
def test_digests_are_those_of_the_addresses(chosen):
    """Against a table of every address: two lists hold the same where their digests are equal."""
    claimed, tables = {}, []
    for owner, block, length in chosen:
        claimed.setdefault(ip_network((0x0A000000 + (block << (32 - length)), length)), owner)
    entries = [(str(o), *(str(p) for p, of in claimed.items() if of == o)) for o in range(3)]
    entries = [entry for entry in entries if len(entry) > 1]
    halves = [
        (name, *(str(h) for p in prefixes for h in ip_network(p).subnets()))
        for name, *prefixes in entries
    ]
    for listed in (entries, halves):
        table = np.full(1 << 12, -1)
        by_length = sorted(
            (ip_network(p), int(name)) for name, *prefixes in listed for p in prefixes
        )
        for prefix, owner in sorted(by_length, key=lambda item: item[0].prefixlen):
            first = int(prefix.network_address) - 0x0A000000
            table[first : first + prefix.num_addresses] = owner
        tables.append(table)
    names = [name for name, *_ in entries]
    one, other = held(*entries), held(*halves)
    for name in names:
        same = ((tables[0] == int(name)) == (tables[1] == int(name))).all()
        assert (one[name] == other[name]) == same


# In the daemon's loop


class Written:
    """A configuration that the test rewrites: what a reload reads."""

    def __init__(self, site):
        self.site = site
        self.text = None

    def __call__(self):
        if isinstance(self.text, Exception):
            raise self.text
        return parse(self.text), {}


SITE = "networks: [{name: Site, prefixes: [10.0.0.0/8]}]"


def running(script, tmp_path=None):
    """A site whose script has texts too: what the configuration file says from then on."""
    site = Site([step for step in script if isinstance(step, tuple)], tmp_path)
    written = Written(site)
    site.collector._read = written
    steps = iter(script)
    take = site.batches

    def batches_(wait_s):
        for step in steps:
            if isinstance(step, tuple):
                break
            written.text = step
            site.collector.reload()
            site.collector._reload()
        return take(wait_s)

    site.batches = batches_
    return site


def events(site, kind=None):
    return [
        (time, line.split('text="')[1].rsplit('"', 1)[0])
        for _, line in site.written
        if line.startswith("events,") and (kind is None or f"kind={kind}" in line)
        for time in [int(line.rsplit(" ", 1)[1])]
    ]


def test_a_reload_writes_what_was_counted_so_far_under_the_old_names():
    site = running(
        [(40, flow(40)), SITE.replace("Site", "Hall"), (41, flow(41)), (70, flow(70)), (200,)]
    ).run()
    sums = Counter()
    for _, tags, fields, _ in site.points("traffic"):
        sums[tags["network"]] += fields["bytes"]
    assert sums == {"Site": 1000, "Hall": 2000}
    assert [f["datagrams"] for _, _, f, _ in site.points("ingester")] == [3, 0, 0]
    assert (
        events(site, "reload")[0][1]
        == "configuration read again: networks Hall added, Site removed"
    )
    assert events(site, "networks") == []
    # The clock of this test stands still at the end, where `ingester` is written twice.
    told = [line for _, line in site.written if not line.startswith("ingester,")]
    assert len({(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in told}) == len(told)


def test_a_changed_network_leaves_an_event_for_each(caplog):
    two = "networks: [{name: Site, prefixes: [10.0.0.0/9]}, {name: B, prefixes: [10.128.0.0/9]}]"
    swapped = (
        "networks: [{name: B, prefixes: [10.0.0.0/9]}, {name: Site, prefixes: [10.128.0.0/9]}]"
    )
    site = running([(40,), two, (41,), swapped, (42,)]).run()
    texts = [text for _, text in events(site, "networks")]
    assert [text.partition(":")[0] for text in texts] == [
        "network Site",
        "network B",
        "network Site",
    ]
    times = [time for time, _ in events(site)]
    assert len(set(times)) == len(times) == 7


def test_a_changed_network_is_noticed_over_a_restart(tmp_path):
    running([(40,)], tmp_path).run()
    same, other = Site([], tmp_path), Site([], tmp_path)
    for site in (same, other):
        site.collector._state.load(site.pipeline)
    assert events(same.run(), "networks") == []
    other.collector._config = parse(SITE.replace("10.0.0.0/8", "10.0.0.0/9"))
    ((_, text),) = events(other.run(), "networks")
    assert text == "network Site: its prefixes changed; what is normal is learned anew"


MISTAKES = (ConfigError("f.yaml: nonsense"), ConfigError("bad\nword\n^^^^"), ZeroDivisionError())


@pytest.mark.parametrize("wrong", MISTAKES)
def test_a_mistake_leaves_all_as_it_was(wrong, caplog):
    site = running([(40, flow(40)), wrong, (41, flow(41)), (200,)]).run()
    assert sum(f["bytes"] for _, _, f, _ in site.points("traffic")) == 2000
    assert {tags["network"] for _, tags, _, _ in site.points("traffic")} == {"Site"}
    assert events(site, "reload") == []
    (told,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert told.getMessage().startswith("reload: ")
    assert "\n" not in told.getMessage()
    assert told.getMessage().endswith("all stays as it was")
    assert bool(told.exc_info) == isinstance(wrong, ZeroDivisionError)


def test_what_needs_a_restart_is_one_warning(caplog):
    site = running([(40, flow(40)), f"{SITE}\nwindow: 10s\nshare: 0.5", (41,), (120,)]).run()
    (told,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == "window: a change needs a restart; it stays as it was"
    assert site.collector._config.share == 0.5
    assert min(at for at, _, _, _ in site.points("traffic")) == 40


def test_who_lives_by_the_configuration_is_told():
    site = running(
        [(40,), SITE.replace("Site", "Hall"), (41,), SITE.replace("Site", "Hall"), (42,)]
    )
    told = []
    site.collector.on_reload.append(told.append)
    site.run()
    assert [one.networks[0].name for one in told] == ["Hall"]
    assert [text for _, text in events(site, "reload")][1].endswith("nothing has changed")


def test_what_is_known_of_exporters_and_what_they_may_send_holds_from_then_on():
    named = f"{SITE}\nexporters: {{{wire.EXPORTER}: {{name: core-1, sampling: 10}}}}"
    strangers = f"{SITE}\nexporters_only: true"
    script = [(40, flow(40)), named, (41, flow(41)), (200,), strangers, (201, flow(201)), (400,)]
    site = running(script).run()
    assert [f["bytes"] for _, _, f, _ in site.points("traffic")] == [1000, 10_000]
    heard = [(t["exporter"], f["datagrams"]) for _, t, f, _ in site.points("exporters")]
    assert [row for row in heard if row[1]] == [("core-1", 2)]
    assert sum(f["unlisted"] for _, _, f, _ in site.points("ingester")) == 1


def test_profiles_are_counted_from_then_on():
    profiles = f"{SITE}\nprofiles: [{{name: web, filter: dst port 443}}]"
    site = running([(40, flow(40)), profiles, (41, flow(41)), (200,)]).run()
    sums = Counter()
    for _, tags, fields, _ in site.points("profiles"):
        sums[tags["profile"]] += fields["bytes"]
    assert sums == {"all": 2000, "web": 1000}
