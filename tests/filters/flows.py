"""Flows drawn for filters: every element that a filter reads, values that meet often, as v9.

The encoder is tests/decode/wire.py, which shares nothing with the decoder. All values come from
small pools, so that each comparison divides the records; counters are drawn around k and M.
"""

import random

from decode.wire import SECONDS, data, record, template, v9

Field = tuple[int, int]

_HEAD: list[Field] = [(7, 2), (11, 2), (4, 1), (6, 1), (5, 1), (55, 1), (10, 4), (14, 4)]
_ROUTES: list[Field] = [(16, 4), (17, 4), (128, 4), (129, 4), (58, 2), (59, 2), (61, 1)]
_COUNTS: list[Field] = [(1, 8), (2, 8), (152, 8), (153, 8)]
_PORTS: list[Field] = [(227, 2), (228, 2)]

FOUR = [(8, 4), (12, 4), *_HEAD, *_ROUTES, (9, 1), (13, 1), *_COUNTS, (225, 4), (226, 4), *_PORTS]
SIX = [(27, 16), (28, 16), *_HEAD, *_ROUTES, (29, 1), (30, 1), *_COUNTS]
ICMP_4 = [(8, 4), (12, 4), (4, 1), (32, 2), (11, 2), *_COUNTS]
ICMP_6 = [(27, 16), (28, 16), (4, 1), (178, 1), (179, 1), (11, 2), *_COUNTS]
BOTH_WAYS: list[Field] = [
    *[(8, 4), (12, 4), (7, 2), (11, 2), (4, 1)],
    *[(231, 8), (232, 8), (298, 8), (299, 8), (152, 8), (153, 8)],
]
TEMPLATES = {300: FOUR, 301: SIX, 302: ICMP_4, 303: ICMP_6, 304: BOTH_WAYS}
_PER_DATAGRAM = 8

V4 = [0x0A010000 + i for i in (1, 2, 258, 259)] + [0x0A020001, 0xC0A80101, 0xCB007107, 0x08080808]
V6 = [(0x20010DB8 << 96) + (i << 64) + 1 for i in range(4)] + [1 << 127 | 5, 0xFD << 120 | 9]
_TRANSLATED = [0, 0xC6336401, 0xC6336402]


def datagrams(each: int = 120, seed: int = 5) -> list[bytes]:
    """Return v9 datagrams with `each` records of every template, about."""
    rng = random.Random(seed)
    drawn = {
        number: [record(fields, draw(rng)) for _ in range(each)]
        for (number, fields), draw in zip(
            TEMPLATES.items(), (_four, _six, _icmp_4, _icmp_6, _both_ways), strict=True
        )
    }
    announced = [template(number, fields, 9) for number, fields in TEMPLATES.items()]
    sets = [
        data(number, *records[i : i + _PER_DATAGRAM])
        for number, records in drawn.items()
        for i in range(0, each, _PER_DATAGRAM)
    ]
    return [v9(*(announced if not i else ()), one, sequence=i) for i, one in enumerate(sets)]


def _two(rng: random.Random, pool: list[int]) -> list[int]:
    return [rng.choice(pool), rng.choice(pool)]


def _head(rng: random.Random) -> list[int]:
    port = [22, 53, 80, 443, 1023, 1024, 8080, 14857, 65535]
    flags = rng.choice([0, 1, 2, 4, 16, 17, 18, 20, 24, 27, 31, 63])
    proto = rng.choice([6, 6, 6, 17, 17, 47, 50, 89, 132])
    service = [rng.choice([0, 8, 16, 184]), rng.choice([0, 8, 46])]
    return [*_two(rng, port), proto, flags, *service, *_two(rng, [1, 2, 3, 70000])]


def _routes(rng: random.Random) -> list[int]:
    numbers = [0, 64512, 65001, 4200000001]
    vlans = _two(rng, [0, 10, 4094])
    return [*_two(rng, numbers), *_two(rng, numbers), *vlans, rng.choice([0, 1])]


def _counts(rng: random.Random) -> list[int]:
    packets = rng.choice([1, 2, 3, 10, 999, 1000, 1001, 50_000])
    octets = rng.choice([packets * rng.randrange(40, 1500), 1000, 10**6, 10**6 + 1, 5 * 10**9])
    return [octets, packets, *_times(rng)]


def _times(rng: random.Random) -> list[int]:
    start = (SECONDS - rng.randrange(60, 600)) * 1000 + rng.randrange(1000)
    return [start, start + rng.choice([0, 0, 1, 10, 999, 1000, 1001, 60_000])]


def _four(rng: random.Random) -> list[int]:
    masks = _two(rng, [0, 8, 16, 24])
    ports = _two(rng, [0, 40000, 40001])
    return [
        *[*_two(rng, V4), *_head(rng), *_routes(rng), *masks],
        *[*_counts(rng), *_two(rng, _TRANSLATED), *ports],
    ]


def _six(rng: random.Random) -> list[int]:
    masks = _two(rng, [0, 32, 64])
    return [*_two(rng, V6), *_head(rng), *_routes(rng), *masks, *_counts(rng)]


def _icmp_4(rng: random.Random) -> list[int]:
    both = rng.choice([0, 8 << 8, 3 << 8 | 1, 3 << 8 | 3, 11 << 8])
    return [*_two(rng, V4), 1, both, both, *_counts(rng)]


def _icmp_6(rng: random.Random) -> list[int]:
    kind, code = rng.choice([(128, 0), (129, 0), (1, 4), (3, 1)])
    return [*_two(rng, V6), 58, kind, code, kind << 8 | code, *_counts(rng)]


def _both_ways(rng: random.Random) -> list[int]:
    octets, packets = _two(rng, [100, 1000, 2_000_000]), _two(rng, [1, 2, 3000])
    return [*_two(rng, V4), *_two(rng, [53, 443, 50000]), 17, *octets, *packets, *_times(rng)]
