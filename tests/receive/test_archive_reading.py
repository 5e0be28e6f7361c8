"""Ranges of time, and an archive that lives while it is read."""

import pytest
from archives import BEGIN, NAME, SECOND, archived, gathered, made, names
from made_captures import Pcapng, ethernet, ipv4, pcap, v5

from flowsleuth.errors import InputError
from flowsleuth.receive import files
from flowsleuth.receive.archive_files import SLOT_NS
from flowsleuth.receive.files import expand, total_bytes
from flowsleuth.receive.frames import Tally
from flowsleuth.receive.streams import Stream


@pytest.fixture
def hour(tmp_path):
    """An archive of an hour, and what is in it."""
    folder = tmp_path / "archive"
    items = made(3600, longest=100)
    archived(folder, items, size=500)
    return folder, items


def between(items, since_ns, until_ns):
    return [item for item in items if since_ns <= item[2] < until_ns]


@pytest.mark.parametrize("since_s", [None, -5, 0, 299.5, 300, 1234.25, 3600, 9999])
@pytest.mark.parametrize("until_s", [None, 0, 300, 300.5, 2000, 9999])
def test_a_range_is_what_was_received_in_it(hour, since_s, until_s):
    folder, items = hour
    since, until = (None if s is None else BEGIN + int(s * SECOND) for s in (since_s, until_s))
    chosen = between(items, since or 0, 1 << 63 if until is None else until)
    tally = Tally()
    assert gathered(folder, since_ns=since, until_ns=until, tally=tally) == chosen
    assert tally.datagrams == len(chosen)


def test_files_of_other_times_are_not_opened(hour, monkeypatch):
    folder, items = hour
    opened = []

    class Watched(Stream):
        def __init__(self, path, *rest):
            opened.append(path)
            super().__init__(path, *rest)

    monkeypatch.setattr(files, "Stream", Watched)
    since, until = BEGIN + SLOT_NS + 17 * SECOND, BEGIN + 3 * SLOT_NS
    assert gathered(folder, since_ns=since, until_ns=until) == between(items, since, until)
    wanted = [str(folder / f"2026112219{minute}.0.pcap.zst") for minute in (50, 55)]
    assert opened == wanted
    sizes = sum((folder / name).stat().st_size for name in names(folder)[1:3])
    assert total_bytes([str(folder)], since, until) == sizes < total_bytes([str(folder)])
    # named one by one they are chosen by their names too
    assert expand([str(folder / name) for name in names(folder)], since, until) == wanted


def test_a_capture_of_anybody_is_searched(tmp_path):
    times = [BEGIN, BEGIN + 10 * SECOND, BEGIN + 5 * SECOND, BEGIN + 20 * SECOND]
    frames = [(t, ethernet(ipv4(v5(i)))) for i, t in enumerate(times)]
    path = tmp_path / "any.pcap"
    path.write_bytes(pcap(frames))
    found = gathered(path, since_ns=BEGIN + 5 * SECOND, until_ns=BEGIN + 20 * SECOND)
    assert [item[3] for item in found] == [v5(1), v5(2)]


def test_datagrams_without_receipt_cannot_be_chosen(tmp_path):
    bare, untimed = tmp_path / "bare", tmp_path / "untimed.pcapng"
    bare.write_bytes(v5(1))
    capture = Pcapng()
    untimed.write_bytes(
        capture.section() + capture.interface() + capture.simple(ethernet(ipv4(v5())))
    )
    for path in (bare, untimed):
        assert len(gathered(path)) == 1
        with pytest.raises(
            InputError, match=rf"{path.name}: its datagrams have no time of receipt"
        ):
            gathered(path, since_ns=0)
        with pytest.raises(InputError, match="--from and --to"):
            gathered(path, until_ns=BEGIN)


def test_a_folder_of_both_is_read_by_name(hour):
    folder, items = hour
    (folder / "a.pcap").write_bytes(pcap([(BEGIN, ethernet(ipv4(v5(7))))]))
    (folder / ".0.lock").write_text("hidden, as is the lock")
    assert [item[3] for item in gathered(folder)] == [item[3] for item in items] + [v5(7)]


# an archive that is written while it is read


def as_part(folder, name=NAME, size=None):
    """Make the finished file unfinished, cut at a size."""
    path = folder / name
    part = folder / f".{name}.part"
    part.write_bytes(path.read_bytes()[:size])
    path.unlink()
    return part


@pytest.mark.parametrize("cut", [0, 1, 3, 10, 200, 5_000, 20_000])
def test_the_unfinished_file_is_read_as_far_as_it_goes(tmp_path, cut):
    items = made(280, longest=100)
    archived(tmp_path, items)
    part = as_part(tmp_path, size=cut)
    found = gathered(tmp_path)
    assert found == items[: len(found)]
    assert gathered(part) == found


def test_the_unfinished_file_comes_in_its_place(tmp_path):
    items = made(600, longest=100)
    archived(tmp_path, items)
    as_part(tmp_path)
    assert gathered(tmp_path) == items


def test_what_is_finished_or_removed_meanwhile_is_read_or_left_out(tmp_path, monkeypatch):
    items = made(900, longest=100)
    archived(tmp_path, items)
    last = names(tmp_path)[-1]
    part = as_part(tmp_path, last)
    expanded = files.expand

    def then_changed(*arguments):
        found = expanded(*arguments)
        part.rename(tmp_path / last)
        (tmp_path / NAME).unlink()
        return found

    monkeypatch.setattr(files, "expand", then_changed)
    assert gathered(tmp_path) == items[300:]


def test_a_finished_file_that_is_damaged_is_named(tmp_path):
    items = made(600, longest=100)
    archived(tmp_path, items)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"{NAME}: .*the zstd data are cut off"):
        gathered(tmp_path)
