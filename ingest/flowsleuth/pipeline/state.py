"""What outlives a restart: what exporters announced, the series admitted, what networks were.

One JSON file in the state directory, written beside and renamed over, so that it is whole at any
moment. A damaged one is named, set aside, and the ingester starts without.
"""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.holdings import Digests
from flowsleuth.pipeline.pipeline import Pipeline

log = logging.getLogger(__name__)

VERSION = 1
"""Goes up when the file's shape changes; another version's file is set aside like a damaged one."""

Kept = dict[str, Any]
"""What is in the file: `decoder` and `budget`, each as its own room exports it; `heard`, when
streams were last heard; `networks`, the digests of `holdings` (versions before had neither)."""

LARGEST = 256 * 2**20
"""A file beyond this is not one of ours."""


class State:
    """The state file of one ingester or worker; without a directory nothing is kept.

    networks: the digests of `holdings`, as they were kept and as they are to be kept.
    """

    def __init__(self, directory: str | None, name: str) -> None:
        self.networks: Digests = {}
        self._path = Path(directory) / f"{name}.state.json" if directory else None

    def load(self, pipeline: Pipeline) -> None:
        """Give the pipeline what was kept; raises ServiceError if the directory cannot be used."""

        def take(kept: Kept) -> None:
            networks = networks_of(kept)
            pipeline.decoder.import_state(kept["decoder"])
            pipeline.import_heard(kept.get("heard", []))
            pipeline.aggregator.budget.import_state(kept["budget"])
            self.networks = networks

        self.read(take)

    def read(self, take: Callable[[Kept], None]) -> bool:
        """Have `take` take what was kept; return whether it did.

        A file that it raises ValueError, KeyError or TypeError for is set aside as damaged. Raises
        ServiceError if the directory cannot be used.
        """
        if self._path is None:
            return False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                return False
            take(_read(self._path))
        except OSError as error:
            raise ServiceError(
                f"{error.filename or self._path}: {error.strerror}; "
                "state_dir must be a folder that the ingester may write"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            self._set_aside(self._path, error)
            return False
        return True

    @staticmethod
    def _set_aside(path: Path, fault: Exception) -> None:
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
        except OSError as error:
            raise ServiceError(
                f"{path} is damaged ({fault}) and cannot be set aside: {error.strerror}; remove it"
            ) from None
        log.warning("%s is damaged (%s): set aside as %s", path, fault, aside)

    def save(self, pipeline: Pipeline) -> None:
        """Keep the pipeline's state; what goes wrong is logged, since traffic goes on."""
        if self._path is None:
            return
        self.write(
            {
                "decoder": pipeline.decoder.export_state(),
                "budget": pipeline.aggregator.budget.export_state(),
                "heard": pipeline.export_heard(),
                "networks": self.networks,
            }
        )

    def written_ns(self) -> int | None:
        """Return when the file was written, None where there is none."""
        try:
            return self._path.stat().st_mtime_ns if self._path is not None else None
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Remove the file, if there is one."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def write(self, kept: Kept) -> None:
        """Keep this; what goes wrong is logged."""
        if self._path is None:
            return
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump({"version": VERSION, **kept}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s: %s: the state is not kept", self._path, error.strerror)


def networks_of(kept: Kept) -> Digests:
    """Return the digests that are kept; raises ValueError where they are damaged."""
    networks = kept.get("networks", {})
    if not isinstance(networks, dict) or not all(isinstance(d, str) for d in networks.values()):
        raise ValueError("networks are no digests by name")
    return networks


def _read(path: Path) -> Kept:
    """Read a state file; raises ValueError where it is none of this version."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST} bytes")
    kept: Kept = json.loads(path.read_text(encoding="utf-8"))
    if kept["version"] != VERSION:
        raise ValueError(f"version {kept['version']} instead of {VERSION}")
    return kept
