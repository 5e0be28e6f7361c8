"""From a file to a `Config`, or to one line that names the place, the value and what is allowed.

The file is read as YAML 1.2 understands plain words (`no` is Norway, `22:30` a time of day), keys
that stand twice are refused, and `${ENV}` is expanded before anything is checked. Errors quote a
value as it is written in the file, so that what came out of a variable is never shown.
"""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from flowsleuth.config.networks_file import read_networks
from flowsleuth.config.sections import UNKNOWN_KEY, Place
from flowsleuth.config.settings import Config
from flowsleuth.errors import ConfigError

VARIABLE = "FLOWSLEUTH_CONFIG"
"""The environment variable that names the file."""

SEARCH = (Path("flowsleuth.yaml"), Path("/etc/flowsleuth/flowsleuth.yaml"))
"""Where the file is looked for when nobody names it."""

DEFAULTS = "(defaults)"
"""Stands for the file's name in messages where there is none."""

FILE_SETTINGS: tuple[Place, ...] = (
    ("networks_file",),
    ("hosts_file",),
    ("state_dir",),
    ("archive",),
    ("influx", "ca_file"),
    ("grafana", "ca_file"),
    ("grafana", "client_cert"),
    ("grafana", "client_key"),
)
"""Settings that name files: relative to the configuration's own folder."""

SECRETS: frozenset[Place] = frozenset(
    {("influx", "token"), ("grafana", "token"), ("grafana", "password")}
)
"""Settings that no message quotes."""

QUOTED = 80
"""Most characters of a value that a message quotes."""

CONSEQUENCES = frozenset({"default_factory_not_called"})
"""Pydantic's errors that only follow from others."""

ALLOWED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a block of `key: value`",
    "model_type": "a block of `key: value`",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "string_type": "text (in quotes if YAML reads it as something else)",
    "tuple_type": "a list",
}
"""What is allowed, for pydantic's own types of errors; others speak for themselves."""

_ENVIRONMENT = re.compile(r"\$?\$\{([^}]*)\}")


class _Loader(yaml.SafeLoader):
    """YAML without the surprises of 1.1: no yes/no/on/off, no base 60, no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_PLAIN = {
    "tag:yaml.org,2002:bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "tag:yaml.org,2002:int": re.compile(r"^(?:[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+)$"),
    "tag:yaml.org,2002:float": re.compile(r"^[-+]?[0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?$"),
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _PLAIN.get(tag, pattern)) for tag, pattern in resolvers]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def find(path: str | None = None) -> Path | None:
    """Return the configuration's file: `path`, $FLOWSLEUTH_CONFIG, one of SEARCH, or None."""
    named = path or os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return next((place for place in SEARCH if place.is_file()), None)


def load(path: str | None = None) -> Config:
    """Return the configuration of `path`, of the file that `find` finds, or all defaults.

    Raises ConfigError: `file: path.in.yaml: value: what is allowed`.
    """
    file = find(path)
    if file is None:
        return Config()
    return parse(_read(file, str(file)), str(file), file.parent)


def parse(text: str, name: str = DEFAULTS, folder: Path = Path()) -> Config:
    """Return the configuration that `text` (YAML) is; raises ConfigError.

    Files that it names are relative to `folder`; messages call it `name`.
    """
    written = _yaml(text, name)
    data = _expand(written, (), name)
    for *parents, key in FILE_SETTINGS:
        section = data
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(value := section.get(key), str) and value:
            section[key] = str(folder / value)
    lines: dict[Place, str] = {}
    if isinstance(file := data.get("networks_file"), str):
        listed = data.get("networks") or []
        if isinstance(listed, list):
            text = _read(Path(file), f"{name}: networks_file: {file}")
            more = read_networks(text, file, len(listed), lines)
            data["networks"] = listed + more
            written = {**written, "networks": [*(written.get("networks") or []), *more]}
    try:
        return Config.model_validate(data)
    except ValidationError as errors:
        raise ConfigError(_explain(errors, written, name, lines)) from None


def effective(config: Config) -> str:
    """Return `config` as the YAML that would give it, every setting spelt out, secrets as ***."""
    data = config.model_dump(mode="json", by_alias=True)
    for *parents, key in SECRETS:
        section = data
        for parent in parents:
            section = section[str(parent)]
        section[str(key)] = "***" if section[str(key)] else ""
    data["networks_file"] = None  # its networks stand in the list by now
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.replace("${", "$${")


def _read(file: Path, name: str) -> str:
    """Return the file's text; raises ConfigError."""
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: byte {error.start} is not UTF-8: save it as UTF-8") from None


def _yaml(text: str, name: str) -> dict[str, Any]:
    """Return the mapping that `text` is; raises ConfigError with line and column."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506  _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ConfigError(f"{name}: {where}: no valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name}: no valid YAML: {reason}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: a {type(data).__name__}: `key: value` lines are allowed")
    return data


def _expand(value: Any, place: Place, name: str) -> Any:
    """Return a copy of `value` with each ${ENV} in its text replaced; `$${` stands for `${`."""
    if isinstance(value, dict):
        return {key: _expand(item, (*place, key), name) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*place, i), name) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        if match[1] not in os.environ:
            raise ConfigError(
                f"{name}: {_where(place, {})}: ${{{match[1]}}}: no such environment variable: "
                f"set {match[1]}"
            )
        return os.environ[match[1]]

    return _ENVIRONMENT.sub(replace, value)


def _where(place: Place, lines: dict[Place, str]) -> str:
    """Return a place as people write it, networks[0].prefixes[1], or the line of the CSV file."""
    for length in range(len(place), 1, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".") or "(top)"


def _value(written: Any, place: Place, read: Any) -> str:
    """Return the value at `place` as the file has it, unless it is secret or no single value.

    Where the file spells its key in another way, it is quoted as it was `read`.
    """
    value = written
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = read
            break
    if place in SECRETS or isinstance(value, dict | list | None):
        return ""
    text = str(value) if str(value).isprintable() else ascii(value)
    return f"{text[:QUOTED]}: "


def _explain(errors: ValidationError, written: Any, name: str, lines: dict[Place, str]) -> str:
    """Return the first error as one line: the place, the value as written, what is allowed.

    A wrong filter is shown below that line, with carets below the wrong word.
    """
    # A default that is made of another setting is not made where that one is wrong: no news.
    found = [e for e in errors.errors(include_url=False) if e["type"] not in CONSEQUENCES]
    error = found[0]
    context = error.get("ctx", {})
    place: Place = tuple(step for step in error["loc"] if step != "[key]")
    place += tuple(context.get("place", ()))
    if error["type"] == "at":
        text = error["msg"]
        if other := tuple(context["other"]):
            text = f"{text}: {_where(other, lines)}"
    elif error["type"] == "filter":
        text = error["msg"]
    elif error["type"] == "missing":
        text = "missing: it must be given"
    else:
        said = str(context.get("error", error["msg"])).removeprefix("Input should be ")
        text = f"allowed: {ALLOWED.get(error['type'], said)}"
    # A key that nobody knows may be a misspelt secret: its value is not quoted. A filter is shown
    # as a whole below, with the place that is wrong.
    hidden = text.startswith(UNKNOWN_KEY) or "pointed" in context
    value = "" if hidden else _value(written, place, error["input"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    line = f"{name}: {_where(place, lines)}: {value}{text}{more}"
    return f"{line}\n{context['pointed']}" if "pointed" in context else line
