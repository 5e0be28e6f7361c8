"""The promises about sums, for real captures and for traffic from seeds (docs/design.md).

At every window talkers equal traffic; over all windows traffic is what the records hold; no two
points of a series share a timestamp: however windows are flushed, by however many ingesters and
workers, and whoever is killed. tests/write/test_killed.py kills the writing process itself, with
its spool, a hundred times; here the whole ingester is lost with what it had in memory.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
from aggregate.reference import totals
from golden.catalogue import NETFLOW, Group, each
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.limits import Limits
from flowsleuth.protocols import NAMES
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read

from .design_rows import network_of, records_of, wholes
from .ingesting import MILLISECOND, SECOND, Ingester, config_for, file_lines
from .lines import Store
from .traffic import NOW, Traffic, generated

WINDOWS = ("1s", "10s", "60s", "1h")
FEW = {"top": {"bytes": 2, "packets": 1, "peers": 1}, "series_budget": 100}
"""So few places that nearly everything folds."""

SEEDS = st.integers(0, 2**32 - 1)
KILLS = 100
KILL_SEED = 20060911


def named(sums: dict) -> dict:
    """Return sums with the protocol (last in the key) by its name, without what is all zero."""
    return {(*key[:-1], NAMES[key[-1]]): sums[key][:3] for key in sums if any(sums[key][:3])}


def expected(traffic: Traffic, config: Config) -> dict:
    """Return the totals of each window by the reference."""
    sums = totals(traffic.records, network_of, config.window_ns, config.accepted_age_ns)
    return named({key: tuple(entry) for key, entry in sums.items()})


def consistent(store: Store, config: Config) -> dict:
    """Check that talkers equal traffic at each window; return traffic."""
    traffic = store.totals("traffic", config.window_ns)
    assert store.totals("talkers", config.window_ns) == traffic
    return traffic


@pytest.mark.parametrize("group", each(NETFLOW))
def test_every_capture_at_every_window(group: Group, captures):
    paths = [str(path) for path in group.paths]
    decoder = Decoder(Limits())
    records = [
        record
        for batch in read(paths, Sources())
        for flows in decoder.decode(batch).flows
        for record in records_of(flows)
    ]
    whole = named(wholes(records))
    for window in WINDOWS:
        config = config_for(window)
        store = Store()
        store.write(file_lines(config, read(paths, Sources())))
        store.once()
        consistent(store, config)
        assert {k: v for k, v in store.wholes().items() if any(v)} == whole, window


@settings(max_examples=30)
@given(SEEDS, st.sampled_from(WINDOWS), st.sampled_from([{}, FEW]))
def test_a_file_of_any_version_and_clock(seed, window, more):
    config = config_for(window, **more)
    traffic = generated(seed)
    store = Store()
    store.write(file_lines(config, [traffic.datagrams]))
    store.once()
    assert consistent(store, config) == expected(traffic, config)


@settings(max_examples=25)
@given(SEEDS, st.sampled_from(WINDOWS), st.sampled_from([{}, FEW]))
def test_random_flushes(seed, window, more):
    config = config_for(window, **more)
    traffic = generated(seed)
    store = Store()
    _run(traffic, [Ingester(config, NOW)], store, random.Random(seed))
    store.once()
    assert consistent(store, config) == expected(traffic, config)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(WINDOWS))
def test_two_ingesters_add_up(seed, window):
    traffic = generated(seed)
    configs = [config_for(window, ingester=name) for name in ("north", "south")]
    store = Store()
    _run(traffic, [Ingester(config, NOW) for config in configs], store, random.Random(seed))
    store.once()
    assert consistent(store, configs[0]) == expected(traffic, configs[0])


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(WINDOWS))
def test_two_workers_of_one_ingester_never_meet(seed, window):
    config = config_for(window)
    traffic = generated(seed)
    store = Store()
    workers = [Ingester(config, NOW, worker) for worker in (0, 1)]
    _run(traffic, workers, store, random.Random(seed))
    store.once()
    assert consistent(store, config) == expected(traffic, config)


def _run(traffic: Traffic, ingesters: list[Ingester], store: Store, chance: random.Random) -> None:
    """Give each second's datagrams to one of the ingesters, and flush what and when chance says."""
    for now in np.unique(traffic.datagrams.received_ns).tolist():
        chance.choice(ingesters).feed(traffic.part(lambda at, now=now: at == now))
        if chance.random() < 0.3:
            window_ns = ingesters[0].config.window_ns
            until = (now - chance.randint(-60, 90_000) * SECOND) // window_ns
            store.write(chance.choice(ingesters).flush(now, until))
    # All at the same moment, as a stop with SIGTERM has it.
    end = int(traffic.datagrams.received_ns[-1]) + 500 * MILLISECOND
    for ingester in ingesters:
        store.write(ingester.finish(end))


def test_kill_9_between_a_write_and_its_acknowledgement():
    chance = random.Random(KILL_SEED)
    config = config_for("60s")
    store, acknowledged = Store(), Store()
    spool: list[list[bytes]] = []
    now = NOW
    for episode in range(KILLS):
        ingester = Ingester(config, now)
        for flush in spool:  # what the one before had not seen acknowledged
            store.write(flush)
        spool.clear()
        traffic = generated(KILL_SEED + episode, n=6, seconds=20)
        ingester.feed(_shifted(traffic.datagrams, now - NOW))
        for _ in range(chance.randint(1, 3)):
            now += chance.randint(1, 90_000) * MILLISECOND
            until = now // config.window_ns - chance.randint(-1, 2)
            spool.append(ingester.flush(now, until))
            acknowledged.write(spool[-1])
            if chance.random() < 0.7:
                store.write(spool[-1])  # applied, and the answer is lost with the process
    for flush in spool:
        store.write(flush)
    assert store.repeated
    assert not store.overwritten
    acknowledged.once()
    assert store.points == acknowledged.points
    assert consistent(store, config)


def _shifted(batch: Datagrams, by_ns: int) -> Datagrams:
    """Return the datagrams as if received later; the exporter's clock stays behind."""
    return replace(batch, received_ns=batch.received_ns + by_ns)


@settings(max_examples=20)
@given(st.lists(st.tuples(SEEDS, st.sampled_from([0, 1, 20, 40])), min_size=3, max_size=6))
def test_files_of_any_days_in_any_order(parts):
    """A folder is read by file names: what it comes back to may be long written and forgotten."""
    config = config_for("60s")
    store = Store()
    chosen = [generated(seed, n=6, days=days) for seed, days in parts]
    store.write(file_lines(config, [traffic.datagrams for traffic in chosen]))
    store.once()
    records = [record for traffic in chosen for record in traffic.records]
    sums = named(totals(records, network_of, config.window_ns, config.accepted_age_ns))
    assert {key: tuple(entry) for key, entry in sums.items()} == consistent(store, config)
