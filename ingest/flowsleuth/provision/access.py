"""Who may do what: said before anything is written, all that lacks in one line.

Grafana tells the permissions of whoever asks (role-based access control, in the free Grafana
too). What it says of scopes is left to Grafana itself to refuse.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowsleuth.errors import ServiceError
from flowsleuth.provision.connection import Grafana, Refused
from flowsleuth.provision.items import Kind


@dataclass(frozen=True, slots=True)
class Need:
    """Something to be done, and which permissions allow it: all of any one set."""

    what: str
    any_of: tuple[frozenset[str], ...]


def _need(what: str, *any_of: str) -> Need:
    return Need(what, tuple(frozenset(actions.split()) for actions in any_of))


_SETS_STATUS = "alert.provisioning.provenance:write"

FOLDERS = _need("create folders", "folders:create")
DASHBOARDS = _need("write dashboards", "dashboards:create")
OWN_SOURCE = _need("write data sources", "datasources:create datasources:write datasources:read")
RULES = _need(
    "write alert rules",
    "alert.provisioning:write",
    "alert.rules.provisioning:write",
    f"alert.rules:create alert.rules:write alert.rules:read {_SETS_STATUS}",
)
CONTACTS = _need(
    "write contact points and templates",
    "alert.provisioning:write",
    "alert.notifications.provisioning:write",
    f"alert.notifications:write alert.notifications:read {_SETS_STATUS}",
)
REMOVING = {
    Kind.FOLDER: _need("delete folders", "folders:delete"),
    Kind.DASHBOARD: _need("delete dashboards", "dashboards:delete"),
    Kind.SOURCE: _need("delete data sources", "datasources:delete"),
    Kind.RULE: RULES,
    Kind.CONTACT: CONTACTS,
    Kind.TEMPLATE: CONTACTS,
    Kind.MUTE: CONTACTS,
}
"""What it takes to remove each kind; an editor may delete what is there, and no more than that."""


def writing(*, own_source: bool) -> Iterator[Need]:
    """Yield what it needs to put all of it there."""
    yield from (FOLDERS, DASHBOARDS, RULES, CONTACTS)
    if own_source:
        yield OWN_SOURCE


def removing(kinds: Iterable[Kind]) -> list[Need]:
    """Return what it needs to take items of these kinds away."""
    return list(dict.fromkeys(REMOVING[kind] for kind in kinds if kind in REMOVING))


def check(grafana: Grafana, needed: Iterable[Need]) -> None:
    """See that whoever asks may do what is needed; raises ServiceError that names what lacks."""
    try:
        granted = set(grafana.get("/access-control/user/permissions"))
    except Refused as refused:
        if refused.status != 404:
            raise
        return  # without that, Grafana says it where it refuses
    lacking = [
        f"{need.what} ({_nearest(need, granted)})"
        for need in needed
        if not any(one <= granted for one in need.any_of)
    ]
    if lacking:
        raise ServiceError(
            f"{grafana.who} may not {', '.join(lacking)}: give it the role Admin, or these "
            "permissions; nothing was changed"
        )


def _nearest(need: Need, granted: set[str]) -> str:
    """Return the fewest permissions that lack."""
    lacking = sorted((sorted(one - granted) for one in need.any_of), key=len)
    return " ".join(lacking[0])
