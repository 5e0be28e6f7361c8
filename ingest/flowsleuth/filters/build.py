"""From the grammar's tree to conditions: here numbers, names and addresses get their meaning."""

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import numpy as np
from lark import Token, v_args
from lark.visitors import Transformer_NonRecursive

from flowsleuth.filters import words
from flowsleuth.filters.conditions import (
    Anything,
    Compared,
    Condition,
    Family,
    Flags,
    Joined,
    Listed,
    Within4,
    Within6,
)
from flowsleuth.filters.errors import FilterError, near
from flowsleuth.filters.words import Word

_SCALE = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

Prefix = tuple[int, int, int]
"""Family, mask and value, the last two as numbers of 32 or 128 bits."""


@v_args(inline=True)
class Builder(Transformer_NonRecursive[Token, Condition]):
    """Makes conditions of one filter's tree; each method is a rule of grammar.lark."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def start(self, condition: Condition) -> Condition:
        """Return the whole."""
        return condition

    def either(self, *parts: Condition | Token) -> Condition:
        """Conditions with `or` between them."""
        return Joined(tuple(p for p in parts if not isinstance(p, Token)), every=False)

    def both(self, *parts: Condition | Token) -> Condition:
        """Conditions with `and` between them."""
        return Joined(tuple(p for p in parts if not isinstance(p, Token)), every=True)

    def inverted(self, *parts: Condition | Token) -> Condition:
        """`not port 80`."""
        *nots, condition = parts
        assert not isinstance(condition, Token)
        return condition.inverted() if len(nots) % 2 else condition

    def anything(self, _word: Token) -> Condition:
        """`any`."""
        return Anything()

    def family(self, word: Token) -> Condition:
        """`ipv4`."""
        return Family(words.FAMILIES[word])

    def protocol(self, word: Token) -> Condition:
        """`tcp`, for short."""
        return Compared("protocol", "=", words.PROTOCOLS[word.lower()])

    def qualifier(self, *tokens: Token) -> Token:
        """`src and dst` as one word."""
        return Token.new_borrow_pos("qualifier", " ".join(tokens), tokens[0])

    def counted(
        self, qualifier: Token | None, name: Token, comparison: Token | None, value: Token
    ) -> Condition:
        """`port > 80`, `proto tcp`, `flags SA`."""
        word = words.NUMBERS[name]
        if name == "flags" and value.type == "LETTERS":
            if comparison:
                raise self._wrong(value, "letters stand without a comparison: flags SA")
            return _implied(word, self._flags(value))
        number = self._number(name, word, value)
        compared = partial(_compared, comparison=str(comparison or "="), number=number)
        return self._chosen(qualifier, name, word, compared)

    def counted_list(
        self, qualifier: Token | None, name: Token, _in: Token, *values: Token
    ) -> Condition:
        """`port in [ 80 443 ]`."""
        word = words.NUMBERS[name]
        numbers = {self._number(name, word, value) for value in values}
        chosen = np.array(sorted(numbers), np.uint64)
        return self._chosen(qualifier, name, word, partial(Listed, chosen=chosen))

    def located(self, qualifier: Token | None, name: Token, value: Token) -> Condition:
        """`src ip 192.0.2.1`."""
        return self._chosen(
            qualifier, name, words.ADDRESSES[name], partial(_within, prefixes=[self._host(value)])
        )

    def located_list(
        self, qualifier: Token | None, name: Token, _in: Token, *prefixes: Prefix
    ) -> Condition:
        """`ip in [ 192.0.2.1 10.0.0.0/8 ]`."""
        return self._chosen(
            qualifier, name, words.ADDRESSES[name], partial(_within, prefixes=prefixes)
        )

    def prefix(self, address: Token, length: Token | None) -> Prefix:
        """One item of a list of addresses."""
        return self._host(address) if length is None else self._prefix(address, length)

    def net(self, qualifier: Token | None, name: Token, address: Token, length: Token) -> Condition:
        """`dst net 10.1/16`."""
        prefix = self._prefix(address, length, short=True)
        return self._chosen(qualifier, name, words.NETS[name], partial(_within, prefixes=[prefix]))

    def netmask(
        self, qualifier: Token | None, name: Token, address: Token, mask: Token
    ) -> Condition:
        """`net 10.1.0.0 255.255.0.0`."""
        family, _, value = self._host(address)
        mask_family, _, bits = self._host(mask)
        if family != 4 or mask_family != 4:
            raise self._wrong(mask, "a netmask is for IPv4: write 2001:db8::/32")
        prefix = (4, bits, value & bits)
        return self._chosen(qualifier, name, words.NETS[name], partial(_within, prefixes=[prefix]))

    def _chosen(
        self, qualifier: Token | None, name: Token, word: Word, leaf: Callable[[str], Condition]
    ) -> Condition:
        """Return `leaf` for the columns that the qualifier chooses, with what the word implies."""
        before = str(qualifier or "")
        every = before in {"src and dst", "dst and src"}
        if every or before in {"src or dst", "dst or src"}:
            columns = (*word.choices.get("src", ()), *word.choices.get("dst", ()))
        else:
            columns = word.choices.get(before, ())
        if not columns:
            assert qualifier is not None
            raise self._wrong(qualifier, _no_such(before, name, word), before)
        return _implied(word, _joined([leaf(column) for column in columns], every=every))

    def _number(self, name: str, word: Word, value: Token) -> int:
        if value.type == "NAME":
            if value.lower() not in word.names:
                raise self._wrong(value, near(value.lower(), word.names, f"a number after {name}"))
            return word.names[value.lower()]
        text = value.lower()
        if text.startswith("0x"):
            number = int(text, 16)
        elif text[-1] in _SCALE:
            number = _whole(text[:-1]) * _SCALE[text[-1]]
        else:
            number = _whole(text)
        if number > word.most:
            raise self._wrong(value, f"0 to {word.most} is allowed after {name}")
        return number

    def _flags(self, letters: Token) -> Condition:
        chosen = letters.upper()
        if not set(chosen) <= set(words.FLAGS) or len(set(chosen)) < len(chosen):
            raise self._wrong(letters, f"allowed: letters of {''.join(words.FLAGS)}, each once")
        return Flags("flags", reduce(operator.or_, (words.FLAGS[letter] for letter in chosen)))

    def _host(self, value: Token) -> Prefix:
        """Return an address as a prefix of full length."""
        try:
            if ":" in value:
                return _six(IPv6Address(value), 128)
            return 4, 2**32 - 1, int(IPv4Address(_decimal(value)))
        except AddressValueError:
            raise self._wrong(value, _no_address(value)) from None

    def _prefix(self, address: Token, length: Token, *, short: bool = False) -> Prefix:
        """Return a prefix; `short`: IPv4 may lack octets at the end, as in 10.1/16."""
        bits = self._number("/", _LENGTH, length)
        octets = address.split(".")
        try:
            if ":" in address:
                if bits <= 128:
                    return _six(IPv6Address(address), bits)
                most = 128
            else:
                most = 8 * min(len(octets), 4) if short else 32
                whole = [*octets, *["0"] * (4 - len(octets))] if short else octets
                value = int(IPv4Address(_decimal(".".join(whole))))
                if bits <= most:
                    mask = 2**32 - 2 ** (32 - bits)
                    return 4, mask, value & mask
        except AddressValueError:
            raise self._wrong(address, _no_address(address)) from None
        raise self._wrong(length, f"0 to {most} bits are allowed after {address}")

    def _wrong(self, token: Token, allowed: str, shown: str = "") -> FilterError:
        assert token.start_pos is not None
        text = shown or self._text[token.start_pos : token.end_pos]
        return FilterError(f"{text!r}: {allowed}", self._text, token.start_pos, len(text))


_LENGTH = Word("length of a prefix", {})


def _whole(digits: str) -> int:
    """Return a number; of one with more digits than any counter has, one that is larger still."""
    return int(digits) if len(digits.lstrip("0")) <= 20 else 10**20


def _decimal(address: str) -> str:
    """Drop leading zeros, as nfdump does: 010.0.0.1 is 10.0.0.1."""
    return ".".join(octet.lstrip("0") or octet[:1] for octet in address.split("."))


def _no_address(text: str) -> str:
    if any(c.isalpha() for c in text) and ":" not in text:
        return "names are not looked up: give the address, such as 192.0.2.1"
    return "an address such as 192.0.2.1 or 2001:db8::1 is allowed"


def _no_such(before: str, name: str, word: Word) -> str:
    known = [f"{choice} {name}".strip() for choice in word.choices]
    return f"there is no {before} {name}: {' or '.join(known)} is allowed"


def _six(address: IPv6Address, bits: int) -> Prefix:
    mapped = address.ipv4_mapped
    if mapped is not None and bits >= 96:
        mask = 2**32 - 2 ** (128 - bits)
        return 4, mask, int(mapped) & mask
    mask = 2**128 - 2 ** (128 - bits)
    return 6, mask, int(address) & mask


def _joined(parts: Sequence[Condition], *, every: bool = False) -> Condition:
    return parts[0] if len(parts) == 1 else Joined(tuple(parts), every)


def _implied(word: Word, condition: Condition) -> Condition:
    if not word.only:
        return condition
    protocol = _joined([Compared("protocol", "=", number) for number in word.only])
    return Joined((protocol, condition), every=True)


def _compared(column: str, *, comparison: str, number: int) -> Condition:
    return Compared(column, comparison, number)


def _within(column: str, *, prefixes: Iterable[Prefix]) -> Condition:
    """Return whether the column's address is in any of the prefixes: one leaf for each mask."""
    by_mask: dict[tuple[int, int], set[int]] = {}
    for family, mask, value in prefixes:
        by_mask.setdefault((family, mask), set()).add(value)
    parts: list[Condition] = []
    for (family, mask), values in by_mask.items():
        if family == 4:
            parts.append(Within4(column, mask, np.array(sorted(values), np.uint32)))
        else:
            halves = [_halves(value) for value in values]
            parts.append(Within6(column, _halves(mask), np.stack(halves)))
    return _joined(parts)


def _halves(number: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint64]]":
    return np.array([number >> 64, number & (2**64 - 1)], np.uint64)
