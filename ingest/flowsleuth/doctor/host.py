"""The machine itself: the receive buffer that the kernel gives, and what it dropped."""

from collections.abc import Iterator
from pathlib import Path

from flowsleuth.config import Config
from flowsleuth.doctor.arriving import WORKERS, Arrival
from flowsleuth.doctor.kinds import BUFFER, KERNEL_DROPS, Finding, well

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


def check(config: Config, arrival: Arrival, dropped: int) -> Iterator[Finding]:
    """Yield what there is to say. dropped: datagrams within the last hour, as InfluxDB has it."""
    given = _given(config, arrival)
    mend = (
        f"sysctl -w net.core.rmem_max={config.receive_buffer}",
        "for good: systemd/90-flowsleuth.conf into /etc/sysctl.d, then sysctl --system",
    )
    if given is not None and given < config.receive_buffer:
        yield Finding(
            BUFFER,
            f"receive buffer of {given // 1024} KiB instead of {config.receive_buffer // 1024} KiB",
            mend,
        )
    elif given is not None:
        yield well(f"receive buffer of {given // 1024} KiB")
    if dropped:
        yield Finding(
            KERNEL_DROPS,
            f"the kernel dropped {dropped} datagrams in the last hour: bursts, or a slow machine",
            (*mend, "flowsleuth collect --workers 2"),
        )


def _given(config: Config, arrival: Arrival) -> int | None:
    """Return the bytes of each socket's buffer: as collect has it, else what the kernel allows."""
    if arrival.running is not None:
        held = arrival.running.after.get("flowsleuth_receive_buffer", 0.0)
        workers = arrival.running.after.get(WORKERS, 0.0) or 1.0
        return round(held / len(config.listen) / workers) or None
    try:
        return int(RMEM_MAX.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
