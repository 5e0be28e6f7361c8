"""Text in hosts format becomes names of addresses; what is not in it is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.enrich.names import read_names
from flowsleuth.errors import ConfigError


def test_hosts_format():
    text = """\
# printers and friends
10.1.0.9\tprinter-2 printer-2.example.net   # second floor

2001:DB8:0::9 printer-6
fe80::1%lo0 localhost
::ffff:10.1.0.7 old-name
10.1.0.9 another
"""
    assert read_names(text.splitlines(), "hosts") == {
        "10.1.0.9": "printer-2",
        "2001:db8::9": "printer-6",
        "fe80::1": "localhost",
        "10.1.0.7": "old-name",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("printer-2 10.1.0.9", "'printer-2' is no IP address"),
        ("10.1.0.0/24 floor", "'10.1.0.0/24' is no IP address"),
        ("10.1.0.9 # later", "10.1.0.9 has no name"),
    ],
)
def test_a_wrong_line_is_named(line, said):
    with pytest.raises(ConfigError) as raised:
        read_names(["# first", line], "/etc/flowsleuth/hosts")
    assert str(raised.value).startswith(f"/etc/flowsleuth/hosts, line 2: {said}; ")
    assert "\n" not in str(raised.value)


@given(st.lists(st.text()))
def test_any_text_is_read_or_refused(lines):
    try:
        names = read_names(lines, "hosts")
    except ConfigError:
        return
    assert all(not name.isspace() for name in names.values())
