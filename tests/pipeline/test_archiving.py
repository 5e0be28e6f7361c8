"""The daemon's loop with an archive: what it keeps, when it ends, what it says."""

import pytest

from flowsleuth.receive.archive import Archive, ArchiveTotals
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

from .test_collector import NOW, Site, flow

LATE = 10**18
"""ns: longer than anything is kept."""


def archiving(folder, script, **settings):
    """A collector with an archive, run to its end."""
    site = Site(script, **settings)
    archive = Archive(ArchiveFolder(folder, LATE, LATE), lambda: site.now)
    archive.start()
    site.collector._archive = archive
    return site.run()


def kept(folder):
    """The payloads in an archive."""
    return [batch.payload(i) for batch in read([str(folder)], Sources()) for i in range(len(batch))]


def test_all_that_is_received_is_kept_a_senseless_datagram_too(tmp_path):
    sent = [flow(1), b"no NetFlow at all", flow(2)]
    site = archiving(tmp_path, [(31, *sent[:2]), (32, sent[2])])
    assert kept(tmp_path) == sent
    (*_, last) = site.points("ingester")
    assert last[2]["archive_lost"] == 0
    assert last[2]["archive_bytes"] > 0


def test_what_a_bug_loses_is_kept_all_the_same(tmp_path, monkeypatch):
    def buggy(_batch):
        raise ZeroDivisionError("a bug")

    site = Site([(31, flow(1))])
    monkeypatch.setattr(site.pipeline, "feed", buggy)
    archive = Archive(ArchiveFolder(tmp_path, LATE, LATE), lambda: NOW)
    archive.start()
    site.collector._archive = archive
    site.run()
    assert kept(tmp_path) == [flow(1)]


def test_what_is_left_at_the_end_is_kept(tmp_path):
    site = Site([])
    site.left = [[flow(1)], [flow(2)]]
    archive = Archive(ArchiveFolder(tmp_path, LATE, LATE), lambda: NOW)
    archive.start()
    site.collector._archive = archive
    site.run()
    assert kept(tmp_path) == [flow(1), flow(2)]


@pytest.mark.parametrize("listed", ["192.0.2.1", "192.0.2.200"])
def test_what_strangers_send_is_not_kept(tmp_path, listed):
    site = archiving(tmp_path, [(31, flow(1))], exporters_only=True, exporters={listed: None})
    known = listed == "192.0.2.1"
    assert list(tmp_path.glob("*.zst")) == [] or known
    assert site.pipeline.unlisted == 1 - known
    assert known is False or kept(tmp_path) == [flow(1)]


def test_losses_are_logged_each_minute(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    site = Site([(31, flow(1)), (100, flow(2))])

    class Losing:
        lost = 0

        def add(self, batch):
            self.lost += len(batch)

        def totals(self):
            return ArchiveTotals(self.lost, 2, 5)

        def close(self):
            pass

    site.collector._archive = Losing()
    site.run()
    assert "archive_lost 2, archive_errors 2" in caplog.text
    (*_, last) = site.points("ingester")
    assert last[2]["archive_bytes"] == 5
