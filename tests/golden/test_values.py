"""The values of the captures' records against those of the projects from which they come."""

import re

import pytest

from .catalogue import each
from .command import decode
from .differs import COUNTED, DIFFERS
from .matching import compare
from .sources import Golden, Sums, all_goldens, all_sums, totals

pytestmark = pytest.mark.usefixtures("captures")

GOLDENS = all_goldens()


@pytest.mark.parametrize("golden", each(GOLDENS))
def test_values_equal_the_golden(golden: Golden):
    differences = compare(golden.records, decode(golden.paths).records)
    listed = DIFFERS.get(golden.name, {})
    unlisted = sorted({str(d) for d in differences if d.field not in listed})
    assert not unlisted, f"{len(differences)} differences in {golden.paths[-1]}"
    healed = listed.keys() - {difference.field for difference in differences}
    assert not healed, "listed in differs.py, but no longer so"


@pytest.mark.parametrize("sums", each(all_sums()))
def test_sums_equal_nfacctd(sums: Sums):
    records = decode(sums.paths).records
    if sums.renormalised:
        for record in records:
            record["bytes"] *= record["sampling_rate"]
            record["packets"] *= record["sampling_rate"]
    assert totals(records) == sums.totals


def test_every_difference_has_its_section():
    reasons = [reason for fields in DIFFERS.values() for reason in fields.values()]
    reasons += [reason for _, reason in COUNTED.values()]
    assert all(re.search(r"RFC \d+, \d|shared/design\.md|Cisco", reason) for reason in reasons)


def test_every_listed_golden_exists():
    assert {golden.name for golden in GOLDENS} >= DIFFERS.keys()
