"""Names on the Wall: short enough that nothing is cut, whoever is called what.

Grafana has no panel that shortens a text, but a value mapping may write part of one.
"""

from flowsleuth.grafana.panels import Json


def written(pattern: str, form: str) -> Json:
    """Return the mapping that writes texts of a pattern in a form with $1 for its first group."""
    return {"type": "regex", "options": {"pattern": pattern, "result": {"text": form}}}


TAIL = 4
"""So many letters of the end are kept: names of a kind differ there."""


def shortened(n: int, before: str = "", behind: str = "") -> list[Json]:
    """Return the mappings that write names in at most n letters, with a text before and behind.

    Of a host's long name with its domain the first label is written; of what is long all the same
    the head and the tail.
    """
    whole, parts = f"{before}$1{behind}", f"{before}$1…$2{behind}"
    head = n - TAIL - 1
    return [
        written(f"^(.{{1,{n}}})$", whole),
        written(f"^([A-Za-z][^.]{{0,{n - 1}}})\\.[^ ]+$", whole),
        written(f"^([A-Za-z][^. ]{{{head - 1}}})[^. ]+([^. ]{{{TAIL}}})\\.[^ ]+$", parts),
        written(f"^(.{{{head}}}).+(.{{{TAIL}}})$", parts),
    ]
