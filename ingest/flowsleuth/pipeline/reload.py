"""What a reload changes: the settings that can change while datagrams arrive, and what it says.

Most of the configuration is how things are called and what is kept of them. A new pipeline takes
that, and the former one hands it what it knows (`Pipeline.succeed`), so that no datagram is lost.
What belongs to sockets, files and the lengths of windows needs a restart: such a setting is marked
where it stands (`config.sections.RESTART`), stays as it was, and is named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowsleuth.config import Config
from flowsleuth.config.sections import RESTART
from flowsleuth.errors import FlowSleuthError

LONGEST = 200
"""Characters of an event's text: it is the label of an annotation."""

Names = Mapping[str, str]
"""Address text → host name."""

Read = Callable[[], tuple[Config, dict[str, str]]]
"""Reads the configuration and the names of hosts again; raises FlowSleuthError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reload does.

    config: the new one, but for what needs a restart; held_back: the names of those settings where
    they differ; text: what changes, in words; changes: whether anything does.
    """

    config: Config
    names: dict[str, str]
    held_back: tuple[str, ...]
    text: str
    changes: bool


def plan(former: Config, former_names: Names, read: Read) -> Plan:
    """Read the configuration again and say what it changes; raises what `read` raises."""
    wanted, names = read()
    differs = [name for name in Config.model_fields if _value(former, name) != _value(wanted, name)]
    held_back = [name for name in differs if needs_restart(name)]
    config = wanted.model_copy(update={name: getattr(former, name) for name in held_back})
    spelt = tuple(_spelt(name) for name in held_back if not _follows(name, wanted))
    said = [_said(name, former, config) for name in differs if name not in held_back]
    if names != former_names:
        said.append(f"names of hosts ({len(names)})")
    if spelt:
        said.append(f"waiting for a restart: {', '.join(spelt)}")
    changes = bool(set(differs) - set(held_back)) or names != former_names
    text = f"configuration read again: {'; '.join(said) or 'nothing has changed'}"
    return Plan(config, names, spelt, _shortened(text), changes)


def refusal(error: FlowSleuthError) -> str:
    """Say in one line why a reload changes nothing: of a wrong filter, what without where."""
    return f"reload: {str(error).partition(chr(10))[0]}; all stays as it was"


def needs_restart(name: str) -> bool:
    """Whether a change of this setting (a field of Config) takes effect at the next start only."""
    extra = Config.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and RESTART.items() <= extra.items()


def _follows(name: str, config: Config) -> bool:
    """Whether a setting is not written and is made of another one, which is the one to name."""
    made = Config.model_fields[name].default_factory_takes_validated_data
    return bool(made) and name not in config.model_fields_set


def _spelt(name: str) -> str:
    return Config.model_fields[name].alias or name


def _value(config: Config, name: str) -> Any:
    return getattr(config, name)


def _said(name: str, former: Config, config: Config) -> str:
    """Say how one setting has changed: by names where it has names, else as old and new value."""
    before, after = _value(former, name), _value(config, name)
    if name == "exporters":
        return f"exporters {', '.join(_moved(before, after))}"
    if name in {"networks", "profiles"}:
        named = ({item.name: item for item in items} for items in (before, after))
        return f"{name} {', '.join(_moved(*named))}"
    if isinstance(after, bool):
        return f"{_spelt(name)} {str(after).lower()}"
    if isinstance(after, int | float | str):
        return f"{_spelt(name)} {after}"
    return _spelt(name)


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Say what has been added, removed and changed; only the order, where nothing else has."""
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    changed = [name for name in after if name in before and after[name] != before[name]]
    for verb, names in (("added", added), ("removed", removed), ("changed", changed)):
        if names:
            yield f"{_listed(names)} {verb}"
    if not (added or removed or changed):
        yield "in another order"


def _listed(names: Iterable[str], most: int = 3) -> str:
    """Name the first few, and count the others."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{', '.join(every[:most])}{more}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
