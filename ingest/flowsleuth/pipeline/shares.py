"""What the workers of one ingester divide: its series budget, its spool, and what it has kept.

Each worker has a state file and a spool of its own (`main.w0`, `main.w1`; a single one has the
ingester's name), so that none waits for another. Which worker an exporter belongs to depends on how
many there are. So when that changes, what the former ones left is dealt out anew before any worker
starts: templates and rates to the worker that the exporter is steered to, the series admitted to
each in equal parts (each series counted once, so that together they stay within the budget), and
points that InfluxDB has not taken to whose spool has room.

A kill in between leaves nothing undone and nothing lost: the next start finds the same again, and a
point that is in two spools is written twice at the same time, which counts once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from flowsleuth.aggregate.budget import DAY, SeriesBudget
from flowsleuth.aggregate.stamps import MAX_WORKERS
from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.pipeline import heard_streams
from flowsleuth.pipeline.state import Kept, State, networks_of
from flowsleuth.receive.steering import worker_of
from flowsleuth.write.spool import LOCK, Damaged, Packed, Spool, Stored, spool_folder

log = logging.getLogger(__name__)


def share_name(ingester: str, worker: int, workers: int) -> str:
    """Return the name under which a worker keeps what outlives a restart."""
    return ingester if workers == 1 else f"{ingester}.w{worker}"


def share_of(config: Config, workers: int) -> Config:
    """Return the configuration of one of so many workers: its part of what is bounded in all."""
    return config.model_copy(
        update={
            "series_budget": max(1, config.series_budget // workers),
            "spool": config.spool // workers,
        }
    )


def deal_out(config: Config, workers: int) -> None:
    """Give each of so many workers its part of what others left, if there were not as many.

    Raises ServiceError where the state directory cannot be used, or a worker still runs.
    """
    if config.state_dir is None:
        return
    directory = Path(config.state_dir)
    wanted = [share_name(config.ingester, worker, workers) for worker in range(workers)]
    possible = {share_name(config.ingester, w, n) for n in (1, MAX_WORKERS) for w in range(n)}
    limit = share_of(config, workers).spool
    try:
        there = {name for name in possible if _is_there(directory, name)}
        if not there or there == set(wanted):
            return
        log.info("state and spool are dealt out anew: now to %d workers", workers)
        with ExitStack() as opened:
            spools = {
                name: opened.enter_context(closing(Spool(spool_folder(directory, name), limit)))
                for name in sorted(there | set(wanted))
            }
            _deal_states({name: State(config.state_dir, name) for name in spools}, wanted)
            _deal_spools(spools, wanted)
        for name in there - set(wanted):
            _remove(spool_folder(directory, name))
    except OSError as error:
        raise ServiceError(
            f"{error.filename or directory}: {error.strerror}; "
            "state_dir must be a folder that the ingester may write"
        ) from None


def _is_there(directory: Path, name: str) -> bool:
    kept = State(str(directory), name).written_ns() is not None
    return kept or spool_folder(directory, name).exists()


def _deal_states(states: Mapping[str, State], wanted: Sequence[str]) -> None:
    """Write a state for each wanted name out of all that there are; remove the others."""
    kept: list[Kept] = []
    for state in sorted(states.values(), key=lambda state: state.written_ns() or 0):
        state.read(lambda content: kept.append(_checked(content)))
    if kept:
        for worker, name in enumerate(wanted):
            part = {
                "decoder": _decoder_part([k["decoder"] for k in kept], worker, len(wanted)),
                "budget": {
                    pool: _pool_part([k["budget"][pool] for k in kept], worker, len(wanted))
                    for pool in kept[0]["budget"]
                },
                "heard": _heard_part([k.get("heard", []) for k in kept], worker, len(wanted)),
                "networks": {name: d for k in kept for name, d in networks_of(k).items()},
            }
            states[name].write(part)
    for name in set(states) - set(wanted):
        states[name].remove()


def _checked(content: Kept) -> Kept:
    """Return what a state file holds; raises as `State.read` wants it where it is damaged."""
    Decoder().import_state(content["decoder"])
    SeriesBudget(1, DAY, 0.0).import_state(content["budget"])
    networks_of(content)
    heard_streams(content.get("heard", []))
    return content


def _decoder_part(decoders: Sequence[Kept], worker: int, workers: int) -> Kept:
    """Return what the exporters of one worker announced; decoders: the oldest state first."""
    sessions: dict[tuple[Any, ...], Any] = {}
    names: dict[tuple[str, int], str] = {}
    for decoder in decoders:
        for session in decoder["sessions"]:
            key = tuple(session[part] for part in ("exporter", "port", "domain", "version"))
            sessions.pop(key, None)
            sessions[key] = session
        for address, number, name in decoder["interface_names"]:
            names[address, number] = name
    return {
        **decoders[-1],
        "sessions": [s for key, s in sessions.items() if _belongs(key[0], worker, workers)],
        "interface_names": [
            [*key, name] for key, name in names.items() if _belongs(key[0], worker, workers)
        ],
    }


def _heard_part(heard: Sequence[list[Any]], worker: int, workers: int) -> list[Any]:
    """Return the streams of one worker; of what several have heard, the latest."""
    latest: dict[tuple[str, int, int], Any] = {}
    for stream in (stream for part in heard for stream in part):
        key = (stream[0], stream[1], stream[2])
        if key not in latest or latest[key][3] < stream[3]:
            latest[key] = stream
    return [stream for key, stream in latest.items() if _belongs(key[0], worker, workers)]


def _belongs(exporter: str, worker: int, workers: int) -> bool:
    try:
        return worker_of(exporter, workers) == worker
    except ValueError:  # what shares the overflow place has no address
        return worker == 0


def _pool_part(pools: Sequence[Kept], worker: int, workers: int) -> Kept:
    """Return one worker's part of the series of one kind, and of the allowance."""
    hashes = np.concatenate([np.array(pool["hashes"], np.uint64) for pool in pools])
    hosts = np.concatenate([np.array(pool["hosts"], np.uint64) for pool in pools])
    days = np.concatenate([np.array(pool["last_day"], np.int64) for pool in pools])
    # Of a series that several have, the latest day counts.
    order = np.lexsort((-days, hashes))
    first = np.r_[True, np.diff(hashes[order]) != 0][: len(order)]
    own = order[first][worker::workers]
    return {
        "hashes": hashes[own].tolist(),
        "hosts": hosts[own].tolist(),
        "last_day": days[own].tolist(),
        "allowance": sum(pool["allowance"] for pool in pools) / workers,
        "clock": max(pool["clock"] for pool in pools),
    }


def _deal_spools(spools: Mapping[str, Spool], wanted: Sequence[str]) -> None:
    """Move what lies in unwanted spools, or is too much for one, to where there is room."""
    for name, spool in spools.items():
        for _, flush in groupby(spool.waiting, key=lambda stored: stored.path.parent):
            if name in wanted and spool.size <= spool.limit:
                break
            target = min((spools[other] for other in wanted), key=lambda other: other.size)
            if target is spool or not _move(list(flush), spool, target):
                break


def _move(flush: Sequence[Stored], spool: Spool, target: Spool) -> bool:
    """Move a flush; return whether the disk took it."""
    packed = list(_read(flush, spool))
    try:
        target.store([batch for _, batch in packed])
    except OSError as error:
        log.warning("%s: %s: points wait for the next start", spool.directory, error.strerror)
        return False
    for stored, _ in packed:
        spool.remove(stored)
    return True


def _read(flush: Sequence[Stored], spool: Spool) -> Iterator[tuple[Stored, Packed]]:
    for stored in flush:
        try:
            yield stored, spool.read(stored)[0]
        except Damaged as damage:
            spool.set_aside(stored, str(damage))


def _remove(folder: Path) -> None:
    """Remove a spool's folder, if nothing is left in it."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
