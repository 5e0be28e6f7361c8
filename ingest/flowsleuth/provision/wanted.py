"""What is wanted in a Grafana: the shipped files, with what the configuration and the user say."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from flowsleuth.config import Config
from flowsleuth.config.grafana import POLICY
from flowsleuth.errors import ConfigError, ServiceError
from flowsleuth.grafana.contacts import RECEIVER
from flowsleuth.provision import (
    contacts,
    dashboards,
    folders,
    mutes,
    playlists,
    rules,
    shipped,
    sources,
    templates,
)
from flowsleuth.provision.alerting import documents, muted
from flowsleuth.provision.connection import Json
from flowsleuth.provision.items import Item, Kind
from flowsleuth.provision.scene import Scene
from flowsleuth.provision.stamps import NAME

TITLE = "FlowSleuth"
"""Of the data source and the dashboards' folder, where nobody has one of that title."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted. receiver: whom all rules tell, "" where notification policies choose.

    source: name and uid of the data source.
    """

    items: tuple[Item, ...]
    receiver: str
    source: tuple[str, str]


def wanted(
    config: Config,
    scene: Scene,
    integrations: list[contacts.Integration],
    key: str,
    hosts: Mapping[str, str],
) -> Wanted:
    """Return what is wanted in a Grafana that is as `scene` says.

    integrations: of our own contact point; key: for fingerprints of secrets; hosts: names by
    address. Raises ConfigError or ServiceError where the user names what is not there.
    """
    settings = config.grafana
    _see_mutes(settings.mute, scene)
    own = [] if settings.receiver else integrations
    receiver = _receiver(settings.receiver, scene, bool(own))
    if settings.mute and not receiver:
        raise ConfigError(
            "--mute needs a receiver: with --receiver policy, mute timings belong into your "
            "notification policies"
        )
    source, source_items = _source(config, scene, key)
    items = [
        *source_items,
        *(contacts.item(one, receiver, key) for one in own),
        *_dashboards(config, scene, source),
        *_alerting(documents(config, receiver, hosts), config, scene, source[1], key),
        playlists.item(),
    ]
    return Wanted(tuple(items), receiver, source)


def free_title(title: str, taken: Container[str]) -> str:
    """Return a title that nobody else has."""
    tries = (title if n == 1 else f"{title} {n}" for n in range(1, 1000))
    return next(one for one in tries if one not in taken)


def _see_mutes(mutes: Iterable[str], scene: Scene) -> None:
    for mute in mutes:
        if mute not in scene.mutes:
            known = ", ".join(sorted(scene.mutes)) or "none"
            raise ServiceError(
                f"--mute {mute}: Grafana has no such mute timing (there are: {known}); nothing "
                "was changed"
            )


def _receiver(named: str, scene: Scene, own: bool) -> str:
    """Return the name of the receiver that rules tell."""
    if named == POLICY:
        return ""
    if named:
        if named not in scene.receivers:
            known = ", ".join(sorted(scene.receivers)) or "none"
            raise ServiceError(
                f"--receiver {named}: Grafana has no such contact point (there are: {known}); "
                "nothing was changed"
            )
        return named
    if not own:
        return ""
    ours = {found.uid for found in scene.found if found.kind is Kind.CONTACT and found.stamp}
    others = {
        name
        for name, integrations in scene.receivers.items()
        if any(one["uid"] not in ours for one in integrations)
    }
    return free_title(RECEIVER, others)


def _source(config: Config, scene: Scene, key: str) -> tuple[tuple[str, str], list[Item]]:
    """Return name and uid of the data source, and our own one if that is it."""
    if uid := config.grafana.datasource:
        named = next((one for one in scene.sources if one.uid == uid), None)
        if named is None:
            known = ", ".join(f"{one.uid} ({one.name})" for one in scene.sources) or "none"
            raise ServiceError(
                f"--datasource {uid}: Grafana has no data source of this uid (there are: {known});"
                " nothing was changed"
            )
        if (named.type, named.language) != (sources.TYPE, "InfluxQL"):
            raise ServiceError(
                f"--datasource {uid}: {named.name} is of type {named.type}, {named.language}: "
                "an InfluxDB with the query language InfluxQL is needed; nothing was changed"
            )
        return (named.name, uid), []
    taken = {one.name for one in scene.sources if one.uid != sources.UID}
    title = free_title(TITLE, taken)
    url = config.grafana.influx_url or config.influx.url
    item = sources.item(shipped.datasource(), config.influx, url, title, key)
    return (title, sources.UID), [item]


def _dashboards(config: Config, scene: Scene, source: tuple[str, str]) -> Iterable[Item]:
    folder = folders.item(folders.DASHBOARDS, free_title(TITLE, scene.folder_titles))
    values = dashboards.constants(config)
    yield folder
    for page in shipped.dashboards():
        yield dashboards.item(page, values, source, folder.uid)


def _alerting(
    files: list[Json], config: Config, scene: Scene, source: str, key: str
) -> Iterable[Item]:
    """Yield folder, templates, groups, rules, and what the wall's rules name as a receiver."""
    title = next(group["folder"] for file in files for group in file.get("groups") or [])
    yield folders.item(folders.RULES, free_title(title, scene.folder_titles))
    for file in files:
        for one in file.get("templates") or []:
            yield templates.item(one["name"], one["template"])
        for group in file.get("groups") or []:
            yield rules.group_item(folders.RULES, group["name"], group["interval"])
            for rule in group["rules"]:
                yield rules.item(_rule(rule, group["name"], config, source))
        for point in file.get("contactPoints") or []:
            for one in point["receivers"]:
                yield contacts.item(_integration(one), point["name"], key)
        for mute in file.get("muteTimes") or []:
            yield mutes.item(mute["name"], mute["time_intervals"])


def _rule(rule: Json, group: str, config: Config, source: str) -> Json:
    """Return a rule of the files as the API has it, with its data source and mute timings."""
    body = rules.from_file(muted(rule, config.grafana.mute), folders.RULES, group)
    return rules.asking(body, source, sources.UID)


def _integration(filed: Json) -> contacts.Integration:
    kind = filed["uid"].removeprefix(f"{NAME}-")
    return contacts.Integration(kind, filed["type"], filed["settings"], frozenset())
