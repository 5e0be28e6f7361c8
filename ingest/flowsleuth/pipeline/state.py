"""What outlives a restart: templates, sampling rates, interface names and the series admitted.

One JSON file in the state directory, written beside and renamed over, so that it is whole at any
moment. A damaged one is named, set aside, and the ingester starts without.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.pipeline import Pipeline

log = logging.getLogger(__name__)

VERSION = 1
"""Goes up when the file's shape changes; another version's file is set aside like a damaged one."""

LARGEST = 256 * 2**20
"""A file beyond this is not one of ours."""


class State:
    """The state file of one ingester; without a directory nothing is kept."""

    def __init__(self, directory: str | None, ingester: str) -> None:
        self._path = Path(directory) / f"{ingester}.state.json" if directory else None

    def load(self, pipeline: Pipeline) -> None:
        """Give the pipeline what was kept; raises ServiceError if the directory cannot be used."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                return
            kept = _read(self._path)
            pipeline.decoder.import_state(kept["decoder"])
            pipeline.aggregator.budget.import_state(kept["budget"])
        except OSError as error:
            raise ServiceError(
                f"{error.filename or self._path}: {error.strerror}; "
                "state_dir must be a folder that the ingester may write"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            log.warning("%s is damaged (%s): set aside as %s", self._path, error, aside)

    def save(self, pipeline: Pipeline) -> None:
        """Keep the pipeline's state; what goes wrong is logged, since traffic goes on."""
        if self._path is None:
            return
        kept = {
            "version": VERSION,
            "decoder": pipeline.decoder.export_state(),
            "budget": pipeline.aggregator.budget.export_state(),
        }
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s: %s: the state is not kept", self._path, error.strerror)


def _read(path: Path) -> dict[str, Any]:
    """Read a state file; raises ValueError where it is none of this version."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST} bytes")
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if kept["version"] != VERSION:
        raise ValueError(f"version {kept['version']} instead of {VERSION}")
    return kept
