"""A wrong filter in the configuration is an error with the place, the word, and carets below it."""

import pytest

from flowsleuth.config import parse
from flowsleuth.errors import ConfigError


def test_a_wrong_filter_is_shown_with_its_place():
    text = """
profiles:
  - {name: web, filter: "port 80"}
  - name: dns
    filter: >
      proto udp and
      dst prt 53
"""
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    first, shown, carets = str(caught.value).splitlines()
    assert first.startswith("f.yaml: profiles[1].filter: 'prt': did you mean port")
    assert shown == "  proto udp and dst prt 53 "
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "prt"


def test_other_errors_are_counted_on_the_first_line():
    with pytest.raises(ConfigError) as caught:
        parse("profiles: [{name: a, filter: ''}, {name: b, filter: prt}]", "f.yaml")
    first, *rest = str(caught.value).splitlines()
    assert first == (
        "f.yaml: profiles[0].filter: it is empty: `any` chooses everything (and 1 more)"
    )
    assert len(rest) == 2


def test_a_filter_keeps_its_text():
    config = parse("profiles: [{name: a, filter: 'PORT  80 # web'}]")
    assert config.profiles[0].filter == "PORT  80 # web"
