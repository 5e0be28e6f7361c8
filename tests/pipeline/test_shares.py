"""What workers divide, when their number changes: nothing is lost and nothing counted twice."""

import json
import os

import numpy as np
import pytest
from decode import wire

from flowsleuth.aggregate.budget import DAY, SeriesBudget
from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.shares import deal_out, share_name, share_of
from flowsleuth.pipeline.state import State
from flowsleuth.receive.steering import worker_of
from flowsleuth.schema import Kept
from flowsleuth.write.spool import Spool, pack, spool_folder

EXPORTERS = [f"192.0.2.{number}" for number in range(1, 21)]
MIB = 2**20


def config(folder, **settings):
    return Config.model_validate({"state_dir": str(folder), "spool": "8M"} | settings)


def names(workers):
    return [share_name("main", worker, workers) for worker in range(workers)]


def keep(folder, name, exporters, series, octets=4):
    """Write a state: these exporters' templates and interface names, these series."""
    heard = wire.Collector()
    for exporter in exporters:
        heard.hear(wire.v9(wire.template(256, [(8, octets)], version=9)), address=exporter)
    budget = SeriesBudget(10_000, 30 * DAY, 0.0)
    keys = np.array(series, np.uint64)
    budget.pools["hosts"].force(keys, np.full(len(keys), 100 * DAY))
    decoder = heard.decoder.export_state()
    decoder["interface_names"] = [[exporter, 1, "eth0"] for exporter in exporters]
    State(str(folder), name).write({"decoder": decoder, "budget": budget.export_state()})


def kept(folder, name):
    """Read a state: exporters, addresses of interface names, series; it must be a sound one."""
    content = json.loads((folder / f"{name}.state.json").read_text())
    Decoder().import_state(content["decoder"])
    budget = SeriesBudget(10_000, 30 * DAY, 0.0)
    budget.import_state(content["budget"])
    sessions = [session["exporter"] for session in content["decoder"]["sessions"]]
    interfaces = [row[0] for row in content["decoder"]["interface_names"]]
    return sessions, interfaces, budget.pools["hosts"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (3, 1), (8, 2)])
def test_exporters_go_where_they_are_steered_and_series_count_once(tmp_path, before, after):
    for worker, name in enumerate(names(before)):
        own = [e for e in EXPORTERS if worker_of(e, before) == worker]
        keep(tmp_path, name, own, [7, *range(100 * worker, 100 * worker + 20)])
    deal_out(config(tmp_path), after)
    found = [kept(tmp_path, name) for name in names(after)]
    for worker, (sessions, interfaces, _) in enumerate(found):
        own = [e for e in EXPORTERS if worker_of(e, after) == worker]
        assert sorted(sessions) == sorted(interfaces) == sorted(own)
    series = sorted(np.concatenate([pool.hashes for *_, pool in found]).tolist())
    assert series == sorted({7, *(100 * w + i for w in range(before) for i in range(20))})
    assert max(len(pool.hashes) for *_, pool in found) <= len(series) / after + 1
    assert all((pool.last_day == 100).all() for *_, pool in found)
    assert sum(pool.allowance for *_, pool in found) == pytest.approx(before * 10_000 * 0.2 / 4)
    assert {path.name for path in tmp_path.glob("*.json")} == {
        f"{name}.state.json" for name in names(after)
    }


def test_who_was_heard_goes_where_it_is_steered_as_last_heard(tmp_path):
    for worker, name in enumerate(names(2)):
        state = State(str(tmp_path), name)
        keep(tmp_path, name, EXPORTERS, [])
        state.read(
            lambda content, state=state, worker=worker: state.write(
                content | {"heard": [[e, 7, 9, -10 - worker, {"Site": -20}] for e in EXPORTERS]}
            )
        )
    deal_out(config(tmp_path), 3)
    for worker, name in enumerate(names(3)):
        heard = json.loads((tmp_path / f"{name}.state.json").read_text())["heard"]
        own = [e for e in EXPORTERS if worker_of(e, 3) == worker]
        assert sorted(heard) == sorted([e, 7, 9, -10, {"Site": -20}] for e in own)


def test_of_two_templates_the_later_file_has_the_right_one(tmp_path):
    keep(tmp_path, "main.w0", EXPORTERS[:1], [], octets=1)
    keep(tmp_path, "main.w1", EXPORTERS[:1], [], octets=2)
    deal_out(config(tmp_path), 1)
    content = json.loads((tmp_path / "main.state.json").read_text())
    (session,) = content["decoder"]["sessions"]
    assert [field[-1] for field in session["templates"][0]["fields"]] == [2]


def test_exporters_beyond_the_last_place_go_to_the_first_worker(tmp_path):
    keep(tmp_path, "main", ["other"], [])
    deal_out(config(tmp_path), 2)
    assert [kept(tmp_path, name)[0] for name in names(2)] == [["other"], []]


def test_the_same_number_of_workers_changes_nothing(tmp_path):
    for name in names(2):
        keep(tmp_path, name, EXPORTERS, [1])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    deal_out(config(tmp_path), 2)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_a_damaged_state_is_set_aside_and_the_others_are_dealt(tmp_path, caplog):
    keep(tmp_path, "main.w0", EXPORTERS, [1, 2])
    (tmp_path / "main.w1.state.json").write_text('{"version": 1, "decoder": {}}')
    deal_out(config(tmp_path), 1)
    assert "main.w1.state.json is damaged" in caplog.text
    assert sorted(kept(tmp_path, "main")[0]) == sorted(EXPORTERS)


def store(folder, name, flushes, size=0):
    """Put flushes of two lines into a spool; the second is padded by noise of `size` bytes."""
    spool = Spool(spool_folder(folder, name), 8 * MIB)
    noise = np.random.default_rng(1).bytes(size).hex().encode()
    for i in range(flushes):
        lines = [f"traffic,of={name} bytes={i}i 1".encode(), b'events text="' + noise + b'" 1']
        spool.store([pack(Kept.LONG, lines)])
    spool.close()


def stored(folder, name):
    """The first line of each flush in a spool, and its size on disk."""
    spool = Spool(spool_folder(folder, name), 8 * MIB)
    spool.close()
    return [spool.read(batch)[1][0].decode() for batch in spool.waiting], spool.size


def test_points_that_wait_are_taken_over(tmp_path):
    for name in names(3):
        store(tmp_path, name, 4)
    deal_out(config(tmp_path), 1)
    lines, _ = stored(tmp_path, "main")
    assert sorted(lines) == [f"traffic,of={n} bytes={i}i 1" for n in names(3) for i in range(4)]
    assert [path.name for path in tmp_path.iterdir()] == ["spool-main"]


def test_a_spool_that_is_too_large_for_one_worker_is_divided(tmp_path):
    store(tmp_path, "main.w0", 6, size=MIB // 2)
    deal_out(config(tmp_path), 4)
    found = [stored(tmp_path, name) for name in names(4)]
    assert sum(len(lines) for lines, _ in found) == 6
    assert max(size for _, size in found) <= 2 * MIB


def test_damaged_points_are_set_aside(tmp_path, caplog):
    store(tmp_path, "main.w0", 2)
    path = next((tmp_path / "spool-main.w0").glob("*/*.gz"))
    path.write_bytes(b"no gzip")
    deal_out(config(tmp_path), 1)
    assert len(stored(tmp_path, "main")[0]) == 1
    assert "is damaged" in caplog.text
    assert (tmp_path / "spool-main.w0" / "damaged").is_dir()


def test_what_the_disk_does_not_take_stays(tmp_path, monkeypatch, caplog):
    store(tmp_path, "main.w0", 2)

    def full(spool, batches):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "store", full)
        deal_out(config(tmp_path), 1)
    assert "No space left on device: points wait for the next start" in caplog.text
    assert len(stored(tmp_path, "main.w0")[0]) == 2
    deal_out(config(tmp_path), 1)
    assert len(stored(tmp_path, "main")[0]) == 2


def test_an_ingester_that_still_runs_is_left_alone(tmp_path):
    keep(tmp_path, "main.w0", EXPORTERS, [1])
    running = Spool(spool_folder(tmp_path, "main.w0"), MIB)
    with pytest.raises(ServiceError, match="is in use by another process"):
        deal_out(config(tmp_path), 1)
    running.close()
    assert (tmp_path / "main.w0.state.json").exists()


def test_a_state_dir_that_is_none_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="state_dir must be a folder"):
        deal_out(config(tmp_path / "file"), 2)


def test_without_a_state_dir_there_is_nothing_to_do():
    deal_out(Config(), 2)


def test_budget_and_spool_are_divided(tmp_path):
    part = share_of(config(tmp_path, series_budget=1000), 8)
    assert (part.series_budget, part.spool) == (125, MIB)


def test_what_networks_were_goes_to_every_worker_the_newest_first(tmp_path):
    for worker, digests in enumerate(({"Green": "old", "Gone": "x"}, {"Green": "new"})):
        name = names(2)[worker]
        keep(tmp_path, name, EXPORTERS[:2], [1])
        path = tmp_path / f"{name}.state.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"networks": digests}))
        os.utime(path, (1000 + worker, 1000 + worker))
    deal_out(config(tmp_path), 3)
    for name in names(3):
        content = json.loads((tmp_path / f"{name}.state.json").read_text())
        assert content["networks"] == {"Green": "new", "Gone": "x"}
