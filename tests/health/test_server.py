"""/healthz and /metrics over HTTP: the table's names, the slates' numbers, and refusals."""

import json
import logging
import re
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowsleuth import __version__
from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.health.metrics import PREFIX
from flowsleuth.health.server import serving
from flowsleuth.schema import BY_NAME, Kind

from .showing import get, slate


def config(health="127.0.0.1:0", **settings):
    return Config.model_validate({"health": health, **settings})


@pytest.fixture
def served(caplog):
    """`served(slates)` is a context manager that gives the URL."""
    caplog.set_level(logging.INFO)

    class Served:
        def __init__(self, slates, **settings):
            self._serving = serving(config(**settings), slates)

        def __enter__(self):
            self._serving.__enter__()
            return re.findall(r"(http://\S+)/healthz", caplog.text)[-1]

        def __exit__(self, *how):
            return self._serving.__exit__(*how)

    return Served


def samples(text):
    return {
        (s.name, s.labels.get("worker")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_metrics_are_the_fields_of_the_measurement(served):
    fields = BY_NAME["ingester"].fields
    shown = slate(**{field.name: float(i) for i, field in enumerate(fields, 1)})
    with served([shown], ingester="berlin") as url:
        status, kind, text = get(f"{url}/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    found = samples(text)
    for i, field in enumerate(fields, 1):
        name = f"{PREFIX}{field.name}{'_total' if field.kind is Kind.COUNTER else ''}"
        assert found.pop((name, "0")) == i, name
        assert f"# HELP {name} {field.meaning} ({field.unit})\n" in text
    assert found == {("flowsleuth_info", None): 1, ("flowsleuth_alive", "0"): 1}
    assert f'flowsleuth_info{{version="{__version__}"}} 1.0' in text
    assert 'flowsleuth_alive{ingester="berlin",worker="0"} 1.0' in text


def test_each_worker_is_a_series_of_its_own(served):
    with served([slate(datagrams=5.0), slate(datagrams=7.0, sockets=0)]) as url:
        found = samples(get(f"{url}/metrics")[2])
    assert [found["flowsleuth_datagrams_total", str(n)] for n in (0, 1)] == [5, 7]
    assert [found["flowsleuth_alive", str(n)] for n in (0, 1)] == [1, 0]


def test_healthz_is_200_or_503_with_the_reason(served):
    shown = slate()
    with served([shown]) as url:
        status, kind, text = get(f"{url}/healthz")
        assert (status, kind) == (200, "application/json")
        assert json.loads(text)["alive"] is True
        assert get(f"{url}/healthz", "HEAD") == (200, "application/json", "")
        shown.wipe()
        status, _, text = get(f"{url}/healthz")
    assert status == 503
    assert "no socket is open" in json.loads(text)["reasons"][0]


def test_nothing_else_is_there(served):
    with served([slate()]) as url:
        assert get(f"{url}/")[0] == 404
        assert get(f"{url}/healthz", "POST")[0] == 405
    with pytest.raises(OSError, match="refused"):
        get(f"{url}/healthz")


def test_it_listens_on_ipv6_too(served):
    with served([slate()], health="[::1]:0") as url:
        assert url.startswith("http://[::1]:")
        assert get(f"{url}/healthz")[0] == 200


def test_null_is_no_server(caplog):
    caplog.set_level(logging.INFO)
    with serving(config(None), [slate()]):
        pass
    assert caplog.text == ""


def test_the_usual_port_is_only_on_the_loopback():
    assert Config().health.host == "127.0.0.1"


def test_a_taken_port_is_an_error_if_it_was_configured_and_a_warning_if_not(caplog, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServiceError, match=rf"health {where}: .*in use.*health: null"):
            serving(config(where), [slate()]).__enter__()
        unsaid = Config().model_copy(update={"health": config(where).health})
        unsaid.model_fields_set.discard("health")
        with serving(unsaid, [slate()]):
            pass
    assert "there is no /healthz" in caplog.text


def test_an_address_of_another_machine_is_one_line():
    with pytest.raises(ServiceError, match=r"health 192\.0\.2\.1:9055: "):
        serving(config("192.0.2.1:9055"), [slate()]).__enter__()
