"""A filter that cannot be understood says which word is wrong, where it stands, what is allowed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.errors import FlowSleuthError
from flowsleuth.filters import words
from flowsleuth.filters.errors import FilterError
from flowsleuth.filters.filter import Filter
from flowsleuth.filters.lexer import DEEPEST

ERRORS = [
    # text, the wrong word, what the message says
    ("prot udp", "prot", "did you mean proto"),
    ("src prt 80", "prt", "did you mean port"),
    ("port 80 andd port 81", "andd", "did you mean and?"),
    ("proto upd", "upd", "did you mean udp"),
    ("proto xyzzy", "xyzzy", "allowed here: a number after proto"),
    ("udpp", "udpp", "did you mean udp"),
    ("zzzzzz", "zzzzzz", "a word such as proto"),
    ("port 70000", "70000", "0 to 65535 is allowed after port"),
    ("port in [80 0x10000]", "0x10000", "0 to 65535"),
    ("proto 256", "256", "0 to 255 is allowed after proto"),
    ("flags 64", "64", "0 to 63"),
    ("bytes > 18446744073709551616", "18446744073709551616", "0 to 18446744073709551615"),
    ("bytes > " + "9" * 5000, "9" * 5000, "0 to"),
    ("tos 1k", "1k", "0 to 255"),
    ("bytes > 1.5M", "1.5M", "a number such as 80 or 10k"),
    ("port http", "http", "a number such as 80 or 10k"),
    ("proto > (", "(", "a number such as 80 or 10k, a name such as"),
    ("flowdir up", "up", "a number after flowdir"),
    ("flowdir (", "(", "a name such as egress"),
    ("flags Q", "Q", "letters of FSRPAUX"),
    ("flags SS", "SS", "each once"),
    ("flags = SA", "SA", "without a comparison"),
    ("flags (", "(", "flags such as SA"),
    ("port != 80", "!=", "not port = 80"),
    ("port <> 80", "<>", "not port = 80"),
    ('port "80"', '"', "letters, digits"),
    ("ip 10.1", "10.1", "an address such as"),
    ("ip 10.0.0.256", "10.0.0.256", "an address such as"),
    ("ip 2001:db8::x", "2001:db8::x", "an address such as"),
    ("host www.example.com", "www.example.com", "names are not looked up"),
    ("ip in [10.0.0.1 www]", "www", "names are not looked up"),
    ("ip in [10.0.0.1/33]", "33", "0 to 32 bits"),
    ("ip in [10.1/16]", "10.1", "an address such as"),
    ("ip in [::1/129]", "129", "0 to 128 bits"),
    ("ip in [::g/12]", "::g", "an address such as"),
    ("ip and port 80", "and", "an address such as"),
    ("net 10.1.2/25", "25", "0 to 24 bits"),
    ("net 10.0.0.0/8k", "8k", "0 to 32 bits"),
    ("net foo/8", "foo", "names are not looked up"),
    ("net 1.2.3.4.5/8", "1.2.3.4.5", "an address such as"),
    ("net 10.0.0.0 ffff::", "ffff::", "a netmask is for IPv4"),
    ("net 2001:db8:: 255.0.0.0", "255.0.0.0", "a netmask is for IPv4"),
    ("net 10.0.0.0 or any", "or", "/ and a length"),
    ("src if 3", "src", "if or in if or out if"),
    ("in port 80", "in", "port or src port or dst port"),
    ("src and dst if 3", "src and dst", "there is no src and dst if"),
    ("src or dst proto 3", "src or dst", "there is no src or dst proto: proto is allowed"),
    ("next ip 10.0.0.1", "next", "there is no next ip"),
    ("10.0.0.1", "10.0.0.1", "an address stands after a word: ip 10.0.0.1"),
    ("not 80", "80", "a number stands after a word: port 80"),
    ("port 80)", ")", "no ( stands before it"),
    ("()", ")", "a word such as proto"),
    ("port in [80 81 and port 5", "and", "allowed here: ]"),
    ("port in 80", "80", "allowed here: ["),
    ("ip in 10.0.0.1", "10.0.0.1", "allowed here: ["),
    ("proto in tcp", "tcp", "allowed here: ["),
    ("proto in [tcp and udp]", "and", "allowed here: ]"),
    ("src 10.0.0.1", "10.0.0.1", "ip, net, port or the like"),
    ("port 80 port 81", "port", "allowed here: and, or"),
    ("(" * (DEEPEST + 1) + "any", "(", f"more than {DEEPEST} deep"),
]


@pytest.mark.parametrize(("text", "word", "said"), ERRORS, ids=[e[0][:40] for e in ERRORS])
def test_names_the_wrong_word(text: str, word: str, said: str):
    error = refused(text)
    assert said in error.message
    assert text[error.at : error.at + error.width] == word
    assert "\n" not in error.message


@pytest.mark.parametrize("text", ["port", "not", "(any", "any and", "port in [", "src", "proto >"])
def test_says_that_it_ends_too_early(text: str):
    error = refused(text + "  # but why\n ")
    assert error.message.startswith("it ends too early: allowed here: ")


@pytest.mark.parametrize("text", ["", "  ", "# nothing", "\n#\n"])
def test_an_empty_filter_is_no_filter(text: str):
    assert "any" in refused(text).message


@pytest.mark.parametrize("word", words.UNSUPPORTED)
def test_a_word_of_nfdump_that_is_not_supported_says_so(word: str):
    error = refused(f"port 80 and {word.upper()} 3")
    assert "nfdump has it, FlowSleuth has not: " in error.message
    assert words.UNSUPPORTED[word] in error.message
    assert error.at == len("port 80 and ")


def test_points_below_the_wrong_word():
    error = refused("proto udp and\n\tdst prt 53")
    assert error.pointed() == "  proto udp and  dst prt 53\n                     ^^^"
    assert str(error) == f"filter: {error.message}\n{error.pointed()}"
    assert isinstance(error, FlowSleuthError)


@pytest.mark.parametrize("before", [0, 3, 40, 4000])
@pytest.mark.parametrize("after", [0, 3, 40, 4000])
def test_points_into_long_filters(before: int, after: int):
    text = "port 1 or " * before + "prt 80" + " or port 2" * after
    shown, carets = refused(text).pointed().splitlines()
    assert len(shown) <= 110
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "prt"
    assert ("…" in shown) == (len(text) > 100)


_SIGNS = ["(", ")", "[", "]", ",", "/", "#", "\n", "ä", "\0", "any"]
_VALUES = ["80", "10k", "0x50", "1" * 30, "24", "SA", "tcp", "10.0.0.1", "10.1", "255.0.0.0"]
_VALUES += ["2001:db8::1", "::ffff:1.2.3.4", "::"]
_TABLES = (words.NUMBERS, words.ADDRESSES, words.NETS, words.FAMILIES, words.SYNONYMS)
_WORDS = [word for table in (*_TABLES, words.UNSUPPORTED) for word in table]
_VOCABULARY = st.sampled_from(
    [*_SIGNS, *_VALUES, *_WORDS, *words.QUALIFIERS, *words.COMPARATORS, *words.COMBINATORS]
)


@given(st.text() | st.lists(_VOCABULARY, max_size=12).map(" ".join))
def test_any_text_is_a_filter_or_an_error(text: str):
    error = tried(text)
    if error is not None:
        assert 0 <= error.at <= len(text)
        assert len(error.pointed().splitlines()) == 2
        assert re.fullmatch(r".+", error.message)


def tried(text: str) -> FilterError | None:
    try:
        Filter(text)
    except FilterError as error:
        return error
    return None


def refused(text: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        Filter(text)
    return caught.value
