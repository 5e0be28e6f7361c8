"""`/metrics`: the fields of the measurement `ingester` as Prometheus knows them.

The same table, the same names: a counter `x` is `flowsleuth_x_total` since the worker's start, a
gauge `x` is `flowsleuth_x`. Each worker is a series of its own, so a counter that begins anew with
its worker is seen as such, and `sum without (worker)` is the ingester.
"""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from flowsleuth import __version__
from flowsleuth.health.alive import ailments
from flowsleuth.health.slate import Slate
from flowsleuth.schema import BY_NAME, Field, Kind

PREFIX = "flowsleuth_"

LABELS = ("ingester", "worker")


class Slates(Collector):
    """What the slates of one ingester's workers show at the moment of the scrape."""

    def __init__(self, ingester: str, slates: Sequence[Slate]) -> None:
        self._slates = slates
        self._labels = [(ingester, str(number)) for number in range(len(slates))]

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        yield InfoMetricFamily("flowsleuth", "What runs here.", {"version": __version__})
        alive = GaugeMetricFamily(f"{PREFIX}alive", "What /healthz says: 1 or 0.", labels=LABELS)
        totals = [slate.totals() for slate in self._slates]
        for labels, slate in zip(self._labels, self._slates, strict=True):
            alive.add_metric(labels, not any(ailments(slate)))
        yield alive
        for field in BY_NAME["ingester"].fields:
            family = _family(field)
            for labels, shown in zip(self._labels, totals, strict=True):
                family.add_metric(labels, shown[field.name])
            yield family


def _family(field: Field) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if field.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(f"{PREFIX}{field.name}", f"{field.meaning} ({field.unit})", labels=LABELS)


def registry(ingester: str, slates: Sequence[Slate]) -> CollectorRegistry:
    """Return a registry of nothing but these."""
    made = CollectorRegistry()
    made.register(Slates(ingester, slates))
    return made
