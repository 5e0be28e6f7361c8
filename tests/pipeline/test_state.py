"""What outlives a restart, and what becomes of a file that is none of ours."""

import json
import logging
from pathlib import Path

import pytest
from decode import wire

from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.errors import ServiceError
from flowsleuth.pipeline import state as state_module
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.state import VERSION, State
from flowsleuth.receive.datagrams import Datagrams, Sources

from .made import SECOND, config

NOW = wire.SECONDS * SECOND


def feed(pipeline, *payloads):
    sources = Sources()
    source = sources.number("192.0.2.1", 2055)
    pipeline.feed(Datagrams.pack([(p, source, NOW) for p in payloads], sources))


def learned():
    """A pipeline with a template, an interface's name and some series."""
    pipeline = Pipeline(config(networks=[{"name": "Site", "prefixes": ["10.0.0.0/8"]}]), {})
    feed(
        pipeline,
        wire.v9(wire.template(256, wire.BASIC, 9), wire.data(256, wire.basic())),
        wire.v9(
            wire.options_template(300, [(2, 4)], [(82, 4)], 9),
            wire.data(300, wire.number(3, 4) + b"eth3"),
        ),
    )
    pipeline.finish(Stamp())
    return pipeline


def test_templates_names_and_series_outlive_a_restart(tmp_path):
    old = learned()
    State(str(tmp_path), "main").save(old)
    new = Pipeline(config(), {})
    State(str(tmp_path), "main").load(new)
    assert new.decoder.interface_names == old.decoder.interface_names != {}
    assert new.aggregator.use().series == old.aggregator.use().series > 0
    feed(new, wire.v9(wire.data(256, wire.basic())))
    assert new.records == 1


def test_who_was_heard_outlives_a_restart(tmp_path):
    old = learned()
    old.aggregator.hearing.watch(NOW)
    feed(old, wire.v9(wire.data(256, wire.basic())))
    old.finish(Stamp())
    State(str(tmp_path), "main").save(old)
    new = Pipeline(config(networks=[{"name": "Site", "prefixes": ["10.0.0.0/8"]}]), {})
    State(str(tmp_path), "main").load(new)
    assert new.export_heard() == old.export_heard() == [["192.0.2.1", 7, 9, 0, {"Site": 0}]]


def test_a_file_of_a_version_that_kept_less_is_read(tmp_path):
    State(str(tmp_path), "main").save(learned())
    _changed(lambda kept: kept.pop("heard"))(tmp_path / "main.state.json")
    new = Pipeline(config(), {})
    State(str(tmp_path), "main").load(new)
    assert new.aggregator.use().series > 0


def test_ingesters_have_files_of_their_own(tmp_path):
    State(str(tmp_path), "main").save(learned())
    other = Pipeline(config(), {})
    State(str(tmp_path), "other").load(other)
    assert other.aggregator.use().series == 0


def test_without_a_directory_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = State(None, "main")
    state.save(learned())
    pipeline = Pipeline(config(), {})
    state.load(pipeline)
    assert state.written_ns() is None
    state.write({})
    state.remove()
    assert pipeline.aggregator.use().series == 0
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_made(tmp_path):
    folder = tmp_path / "a" / "b"
    State(str(folder), "main").load(Pipeline(config(), {}))
    assert folder.is_dir()


def test_a_file_can_be_dated_and_removed(tmp_path):
    state = State(str(tmp_path), "main")
    assert state.written_ns() is None
    state.save(learned())
    assert state.written_ns() > 0
    state.remove()
    state.remove()
    assert list(tmp_path.iterdir()) == []


def _changed(change):
    def write(path):
        kept = json.loads(path.read_text())
        change(kept)
        path.write_text(json.dumps(kept))

    return write


DAMAGE = {
    "empty": lambda path: path.write_text(""),
    "cut": lambda path: path.write_text(path.read_text()[:-40]),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "no object": lambda path: path.write_text("[1]"),
    "other version": _changed(lambda kept: kept.update(version=VERSION + 1)),
    "no version": _changed(lambda kept: kept.pop("version")),
    "no budget": _changed(lambda kept: kept.pop("budget")),
    "budget damaged": _changed(lambda kept: kept["budget"]["hosts"].update(hashes=[3, 2, 1])),
    "heard damaged": _changed(lambda kept: kept.update(heard=[["192.0.2.1", 7, 9, "late", {}]])),
    "decoder damaged": _changed(lambda kept: kept["decoder"].update(sessions=7)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_named_set_aside_and_done_without(tmp_path, caplog, how):
    state = State(str(tmp_path), "main")
    state.save(learned())
    path = tmp_path / "main.state.json"
    DAMAGE[how](path)
    damaged = path.read_bytes()
    pipeline = Pipeline(config(), {})
    with caplog.at_level(logging.WARNING):
        state.load(pipeline)
    (said,) = caplog.messages
    assert str(path) in said
    assert "set aside" in said
    assert not path.exists()
    assert (tmp_path / "main.state.damaged").read_bytes() == damaged
    assert pipeline.aggregator.use().series == 0


def test_a_file_that_is_far_too_large_is_not_read(tmp_path, monkeypatch):
    state = State(str(tmp_path), "main")
    state.save(learned())
    monkeypatch.setattr(state_module, "LARGEST", 100)
    state.load(Pipeline(config(), {}))
    assert (tmp_path / "main.state.damaged").exists()


def test_a_directory_that_is_none_is_a_mistake_with_a_remedy(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(ServiceError, match=r"file.*state_dir must be a folder") as told:
        State(str(place), "main").load(Pipeline(config(), {}))
    assert "\n" not in str(told.value)


def test_a_disk_that_is_full_stops_no_traffic(tmp_path, caplog):
    state = State(str(tmp_path), "main")
    state.save(learned())
    before = (tmp_path / "main.state.json").read_text()
    (tmp_path / "main.state.new").mkdir()
    with caplog.at_level(logging.WARNING):
        state.save(learned())
    (said,) = caplog.messages
    assert "the state is not kept" in said
    assert (tmp_path / "main.state.json").read_text() == before


def test_a_damaged_file_that_cannot_be_set_aside_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "main.state.json").write_text("{")

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ServiceError, match=r"main\.state\.json is damaged .*; remove it"):
        State(str(tmp_path), "main").read(lambda kept: None)


def test_what_networks_were_outlives_a_restart(tmp_path):
    state = State(str(tmp_path), "main")
    state.networks = {"Green": "1234"}
    state.save(learned())
    again = State(str(tmp_path), "main")
    again.load(Pipeline(config(), {}))
    assert again.networks == {"Green": "1234"}


def test_a_state_of_a_version_without_networks_is_read(tmp_path):
    state = State(str(tmp_path), "main")
    state.save(learned())
    path = tmp_path / "main.state.json"
    kept = json.loads(path.read_text())
    del kept["networks"]
    path.write_text(json.dumps(kept))
    again, pipeline = State(str(tmp_path), "main"), Pipeline(config(), {})
    again.load(pipeline)
    assert again.networks == {}
    assert pipeline.aggregator.use().series > 0


@pytest.mark.parametrize("networks", [[], {"Green": 7}, None])
def test_damaged_networks_are_set_aside_with_their_file(tmp_path, networks):
    state = State(str(tmp_path), "main")
    state.save(learned())
    path = tmp_path / "main.state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"networks": networks}))
    pipeline = Pipeline(config(), {})
    State(str(tmp_path), "main").load(pipeline)
    assert not path.exists()
    assert pipeline.aggregator.use().series == 0
