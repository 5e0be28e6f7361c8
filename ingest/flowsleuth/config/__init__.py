"""The configuration: one YAML file, checked as a whole before a socket opens.

`units` reads quantities, `sections` are the parts, `settings` the whole, `loading` finds the file,
expands `${ENV}` and turns whatever is wrong into one line. Others import from here.
"""

from flowsleuth.config.grafana import Grafana
from flowsleuth.config.loading import effective, find, load, parse
from flowsleuth.config.sections import (
    ExpectedJob,
    ExporterSettings,
    Influx,
    InterfaceSettings,
    Listener,
    NetworkSettings,
    Prefix,
    ProfileSettings,
    Retention,
    Section,
    Top,
)
from flowsleuth.config.settings import Config

__all__ = [
    "Config",
    "ExpectedJob",
    "ExporterSettings",
    "Grafana",
    "Influx",
    "InterfaceSettings",
    "Listener",
    "NetworkSettings",
    "Prefix",
    "ProfileSettings",
    "Retention",
    "Section",
    "Top",
    "effective",
    "find",
    "load",
    "parse",
]
