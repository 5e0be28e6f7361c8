"""What the decoder holds at most: every table here is written by strangers with forged datagrams.

Each limit names the attack or the accident that it stops. Passing one is counted, never raised,
and costs the one who passes it: a template too many is not kept, a set too many is not read.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the decoder's memory; the defaults serve a thousand exporters.

    exporters, domains: streams told apart (the design's 1 000 and 64); the rest is `other`.
    sessions: (address, UDP port, domain, version) with state; a flood of forged ports evicts the
        one that was silent longest.
    templates: per session. Cisco's largest line cards announce some dozens.
    template_fields: over all sessions, some 100 bytes each; against a forger of wide templates.
    fields: per template. Wireshark's bound is 60 by default, YAF's widest export has 80.
    layouts: interned; past it sharing starts anew, which costs speed and nothing else.
    waiting_bytes, waiting_ns: sets without their template (the design's 16 MB and 30 minutes: the
        slowest template refresh that vendors ship).
    waiting_overhead: bytes reckoned for a waiting set itself, or empty ones would be free.
    samplers: rates learned per session; a router has one sampler per line card.
    interface_names: over all exporters; 1 000 routers of 64 ports.
    sets: per datagram; 65 507 bytes could hold 16 000 empty ones.
    records: per batch. A batch of 2 000 datagrams has 60 000; one-byte records in forged jumbo
        datagrams would make 130 million, each of 250 bytes in columns.
    problems: samples kept of one batch's faults.
    """

    exporters: int = 1_000
    domains: int = 64
    sessions: int = 16_384
    templates: int = 512
    template_fields: int = 1_000_000
    fields: int = 512
    layouts: int = 8_192
    waiting_bytes: int = 16_000_000
    waiting_ns: int = 30 * 60 * 1_000_000_000
    waiting_overhead: int = 256
    samplers: int = 1_024
    interface_names: int = 65_536
    sets: int = 1_024
    records: int = 2_097_152
    problems: int = 32
