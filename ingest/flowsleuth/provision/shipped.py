"""The files that come with FlowSleuth: dashboards, and what Grafana provisions from files."""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]


def _folder(name: str) -> Traversable:
    """Return a folder of the installed package, or of the repository it is run from."""
    installed = files("flowsleuth") / "share" / name
    return installed if installed.is_dir() else Path(__file__).parents[3] / name


def dashboards() -> list[Json]:
    """Return the dashboards, by the names of their files."""
    there = sorted(_folder("dashboards").iterdir(), key=lambda file: file.name)
    return [json.loads(file.read_text("utf-8")) for file in there if file.name.endswith(".json")]


def datasource() -> Json:
    """Return the data source of the file."""
    file = _folder("provisioning") / "datasources" / "flowsleuth.yaml"
    (source,) = yaml.safe_load(file.read_text("utf-8"))["datasources"]
    return dict(source)
