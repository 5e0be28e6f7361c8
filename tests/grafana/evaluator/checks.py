"""What can be said of a rule without evaluating it: Grafana's refusals, and its known traps."""

import re
from collections.abc import Iterator

from grafana.evaluator.outcome import ordered, reads
from grafana.evaluator.rules import Node, Rule
from grafana.evaluator.values import Refused

MACROS = re.compile(r"\$(?!timeFilter\b|interval\b|__interval\b|__interval_ms\b)\w+")


def check(rule: Rule) -> list[str]:
    """Return what is wrong with a rule, a line each; an empty list is good."""
    try:
        nodes = ordered(rule)
        rule.node(rule.condition)
    except Refused as error:
        return [str(error)]
    return [f"{rule.uid}: {what}" for what in _faults(rule, nodes)]


def _faults(rule: Rule, nodes: list[Node]) -> Iterator[str]:
    if len(rule.uid) > 40:
        yield "the uid has more than 40 characters"
    if rule.interval_s % 10 or not rule.interval_s:
        yield "its interval is no multiple of 10 s"
    if rule.for_s % rule.interval_s:
        yield "its `for` is no multiple of its interval"
    if rule.node(rule.condition).kind != "threshold":
        yield "a condition that is no threshold fires on NaN"
    used = {ref for node in nodes for ref in reads(node)} | {rule.condition}
    for node in nodes:
        if node.ref not in used and not _told(rule, node.ref):
            yield f"{node.ref} is not used (and makes no data of everything where it is empty)"
        if node.query is not None:
            yield from _query_faults(node)


def _told(rule: Rule, ref: str) -> bool:
    return any(f"$values.{ref}" in text for text in rule.annotations.values())


def _query_faults(node: Node) -> Iterator[str]:
    assert node.query is not None
    if "$timeFilter" not in node.query.text:
        yield f"{node.ref} has no $timeFilter: it reads all of the past"
    if unknown := MACROS.search(node.query.text):
        yield f"{node.ref}: {unknown[0]} is not replaced in rules"
    if node.query.begin_s <= node.query.end_s:
        yield f"{node.ref}: its range is empty"
