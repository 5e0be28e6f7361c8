"""Stamps and parts: what tells ours from others', and a user's change from our own."""

import json

from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.provision import stamps
from flowsleuth.provision.items import Found, Item, Kind, changes, edits, leaves, seen_by
from flowsleuth.provision.stamps import Stamp, canonical, digest, fingerprint, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PARTS = st.dictionaries(st.text(min_size=1), JSON, max_size=5)


@given(uid=st.text(min_size=1), parts=PARTS)
def test_a_stamp_comes_back_and_is_only_its_own_items(uid, parts):
    stamp = Stamp.of(uid, parts)
    assert read(stamp.text(), uid) == stamp
    assert read(stamp.text(), uid + "x") is None
    assert stamp.text().isprintable()
    assert "{{" not in stamp.text()


@given(JSON)
def test_a_digest_outlives_a_program_that_writes_numbers_its_own_way(value):
    def otherwise(inner):
        if isinstance(inner, float) and inner.is_integer():
            return int(inner)
        if isinstance(inner, dict):
            return {key: otherwise(one) for key, one in reversed(inner.items())}
        return [otherwise(one) for one in inner] if isinstance(inner, list) else inner

    assert digest(otherwise(json.loads(json.dumps(value)))) == digest(value)


@given(wanted=JSON, added=st.dictionaries(st.text(), JSON, max_size=3))
def test_what_grafana_adds_is_not_seen(wanted, added):
    def grown(inner):
        if isinstance(inner, dict):
            return {**added, **{key: grown(one) for key, one in inner.items()}}
        return [grown(one) for one in inner] if isinstance(inner, list) else inner

    assert seen_by(wanted, grown(wanted)) == wanted


@given(JSON, JSON)
def test_two_parts_differ_where_leaves_says_so(one, other):
    same = canonical(one) == canonical(other)
    assert same == (not list(leaves(one, other)))


def test_a_fingerprint_needs_its_key():
    secret = fingerprint("s3cret", "token-a")
    assert secret == fingerprint("s3cret", "token-a")
    assert len({secret, fingerprint("s3cret", "token-b"), fingerprint("other", "token-a")}) == 3
    assert "s3cret" not in secret


def item(**parts):
    return Item(Kind.RULE, "r", "A rule", parts, {})


def there(stamp, **parts):
    return Found(Kind.RULE, "r", "A rule", parts, {}, stamp)


def who(wanted, found):
    return {change.part: (change.by_user, change.by_us) for change in changes(wanted, found)}


def test_who_changed_a_part_is_told_by_the_stamp():
    left = Stamp.of("r", {"a": 1, "b": 1, "c": 1, "gone": 1, "same": 1})
    found = there(left, a=2, b=1, c=2, gone=1, extra=1, same=1)
    assert who(item(a=1, b=3, c=3, same=1), found) == {
        "a": (True, False),
        "b": (False, True),
        "c": (True, True),
        "gone": (False, True),
        "extra": (True, False),
    }


def test_without_a_stamp_what_differs_is_the_users():
    assert who(item(a=1, b=1), there(None, a=2, b=1)) == {"a": (True, False)}


def test_a_secret_that_cannot_be_read_is_told_by_the_stamp_alone():
    part = f"{stamps.SECRET}url"
    left = Stamp.of("r", {part: "fp1"})
    assert who(item(**{part: "fp1"}), there(left, **{part: ""})) == {}
    assert who(item(**{part: "fp2"}), there(left, **{part: ""})) == {part: (False, True)}
    # One that Grafana shows tells who changed it.
    assert who(item(**{part: "fp1"}), there(left, **{part: "fp3"})) == {part: (True, False)}


def test_edits_of_what_is_not_wanted_any_more():
    left = Stamp.of("r", {"a": 1, "b": 1, f"{stamps.SECRET}x": "fp"})
    assert edits(there(left, a=1, b=1)) == []
    assert edits(there(left, a=2, c=1)) == ["a", "b", "c"]
