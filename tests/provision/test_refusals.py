"""What stands in the way is one line, and nothing is half done."""

import re
import ssl
import subprocess

import pytest
from write.conftest import Asked, FakeServer, Told

from flowsleuth.provision import scene
from provision.fake import EDITOR, VIEWER


def one_line(ran, *words):
    assert ran.status == 1, ran.out
    assert re.fullmatch(r"flowsleuth: [^\n]+\n", ran.err), ran.err
    assert "bug" not in ran.err
    for word in words:
        assert word in ran.err
    return True


def test_nobody_says_which_grafana_or_who_asks(command, monkeypatch):
    assert one_line(command(), "--grafana URL", "grafana.url")
    monkeypatch.setenv("GRAFANA_URL", "http://127.0.0.1:9")
    assert one_line(command(), "http://127.0.0.1:9", "GRAFANA_TOKEN")


def test_an_unreachable_grafana(command, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "t")
    ran = command("--grafana", "http://127.0.0.1:9")
    assert one_line(ran, "http://127.0.0.1:9", "cannot be reached", "refused")


def test_a_grafana_that_does_not_answer_in_time(command, fake, monkeypatch):
    import threading

    monkeypatch.setenv("GRAFANA_TOKEN", "t")
    waiting = threading.Event()
    fake.refuse = lambda _: waiting.wait(5) and None
    ran = command("--grafana", fake.url, config="grafana: {timeout_s: 0.2}")
    waiting.set()
    assert one_line(ran, "cannot be reached", "timed out")


@pytest.mark.parametrize(
    "answer", [Told(200, {"status": "up"}), Told(200, "hello"), Told(200, None)]
)
def test_what_answers_is_no_grafana(provision, fake, answer):
    fake.refuse = lambda _: answer
    assert one_line(provision(), fake.url, "does not answer as a Grafana", "--grafana")


def test_a_page_of_a_proxy_is_no_grafana(provision, fake):
    fake.refuse = lambda _: Told(200, "<html>", {"content-type": "text/html"})
    assert one_line(provision(), "does not answer as a Grafana")


def test_a_refused_token(command, fake, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "bad")
    ran = command("--grafana", fake.url)
    assert one_line(ran, "does not accept the token", "401", "GRAFANA_TOKEN")


def test_a_refused_user(command, fake, monkeypatch):
    monkeypatch.setenv("GRAFANA_USER", "eve")
    monkeypatch.setenv("GRAFANA_PASSWORD", "guess")
    ran = command("--grafana", fake.url)
    assert one_line(ran, "does not accept user eve", "401")
    assert "guess" not in ran.err


@pytest.mark.parametrize("version", ["10.4.1", "9.5.0", "8.0.0-beta1"])
def test_a_grafana_that_is_too_old(provision, fake, version):
    fake.version = version
    assert one_line(provision(), version, "11.0 or newer", "nothing was changed")
    # One that keeps its version from strangers says it to those whom it knows.
    fake.refuse = lambda asked: (
        Told(200, {"database": "ok"}) if asked.path == "/api/health" else None
    )
    assert one_line(provision(), version, "11.0 or newer")
    assert fake.written == []


@pytest.mark.parametrize("version", ["11.0.0", "11.6.2+security-01", "12.4.0-pre", "13.1.0", ""])
def test_a_grafana_that_is_new_enough(provision, fake, version):
    fake.version = version
    assert provision("--dry-run").status == 0


def test_permissions_that_lack_are_named_all_at_once(provision, fake):
    fake.permissions = VIEWER
    ran = provision()
    assert one_line(
        ran,
        "create folders (folders:create)",
        "write dashboards (dashboards:create)",
        "write data sources (datasources:create datasources:read datasources:write)",
        "write alert rules (alert.provisioning:write)",
        "write contact points and templates (alert.provisioning:write)",
        "role Admin",
        "nothing was changed",
    )
    assert fake.written == []
    assert provision("--remove").last.startswith("nothing to change")
    fake.folders["flowsleuth"] = {"uid": "flowsleuth", "title": "FlowSleuth"}
    assert one_line(provision("--remove"), "delete folders (folders:delete)")
    fake.permissions = EDITOR
    ran = provision()
    assert one_line(ran, "may not write data sources")
    assert "alert" not in ran.err


def test_without_a_list_of_permissions_the_refusal_is_told(provision, fake):
    def refuse(asked: Asked):
        if asked.path.endswith("/permissions"):
            return Told(404, {"message": "not found"})
        if asked.method == "POST" and asked.path.endswith("/folders"):
            return Told(403, {"message": "Permissions needed: folders:create"})
        return None

    fake.refuse = refuse
    ran = provision()
    assert one_line(ran, "folder FlowSleuth:", "folders:create", "nothing was changed")
    fake.refuse = lambda asked: (
        Told(500, {"message": "oh"}) if "permissions" in asked.path else None
    )
    assert one_line(provision(), "500", "oh")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--receiver", "nobody"), ["--receiver nobody", "no such contact point", "noc"]),
        (("--mute", "never"), ["--mute never", "no such mute timing", "nights"]),
        (("--datasource", "x"), ["--datasource x", "no data source of this uid", "m (Mine)"]),
        (("--datasource", "m"), ["--datasource m", "type mysql", "InfluxDB"]),
        (("--datasource", "f"), ["--datasource f", "Flux", "InfluxQL"]),
        (("--test",), ["--test needs a receiver"]),
        (("--mute", "nights"), ["--mute needs a receiver"]),
        (("--receiver", "policy", "--mute", "nights"), ["--mute needs a receiver"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_named_and_not_there(provision, fake, arguments, words):
    fake.contacts["c"] = {"uid": "c", "name": "noc", "type": "email", "settings": {}}
    fake.mutes = {"nights": {"name": "nights", "time_intervals": []}}
    fake.sources = {
        "m": {"uid": "m", "name": "Mine", "type": "mysql", "jsonData": {}},
        "f": {"uid": "f", "name": "F", "type": "influxdb", "jsonData": {"version": "Flux"}},
    }
    assert one_line(provision(*arguments), *words)
    assert fake.written == []


@pytest.mark.parametrize("kind", ["ca_file", "client_cert", "client_key"])
def test_a_file_for_tls_that_is_not_there(provision, kind):
    option = f"--{kind.replace('_', '-')}"
    assert one_line(provision(option, "nowhere.pem"), f"grafana.{kind}", "nowhere.pem")


def test_a_file_of_influxdbs_certificates_that_is_not_there(provision, fake):
    assert one_line(provision(config="influx: {ca_file: none.pem}"), "influx.ca_file", "none.pem")
    assert fake.written == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--remove", "--test"), ("--remove", "--keep-edits"), ("--remove", "--adopt"),
        ("--dry-run", "--test"), ("--grafana", "localhost:3000"), ("--grafana", "http://u:p@h"),
        ("--influx-url", "influx"), ("surplus",), ("--grafana", "http://h/?a=1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_2(provision, arguments):
    ran = provision(*arguments)
    assert ran.status == 2
    assert "Error: " in ran.err


def test_a_failure_halfway_says_what_was_done_and_the_next_run_goes_on(
    provision, fake, monkeypatch
):
    monkeypatch.setenv("FLOWSLEUTH_SLACK_URL", "https://hooks.slack.com/services/x")

    def refuse(asked: Asked):
        if asked.path == "/api/dashboards/db" and re.search(
            rb'"uid": ?"flowsleuth-hunt"', asked.body
        ):
            return Told(500, {"message": "database is locked"})
        return None

    fake.refuse = refuse
    ran = provision()
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "dashboard FlowSleuth / Hunt: " in ran.err
    assert "500" in ran.err
    assert "database is locked" in ran.err
    assert re.search(r"done before that, \d+ of \d+: folder FlowSleuth, ", ran.err)
    assert "dashboard FlowSleuth / Host; run it again" in ran.err
    assert fake.rules == {}
    fake.refuse = lambda _: None
    again = provision()
    assert again.status == 0
    assert "changed in Grafana" not in again.out
    assert provision().last.startswith("nothing to change")


def test_a_grafana_whose_links_are_dead_on_a_phone(provision, fake):
    fake.root = "http://localhost:3000/"
    ran = provision()
    assert ran.status == 0
    assert "flowsleuth: Grafana calls itself http://localhost:3000/: " in ran.err
    assert "root_url" in ran.err
    fake.root = "https://grafana.example.net/"
    assert "root_url" not in provision().err


@pytest.mark.parametrize(
    ("root", "here"),
    [("http://localhost:3000/", True), ("http://127.0.0.1/x", True), ("http://[::1]:3000/", True),
     ("http://grafana.localhost/", True), ("http://grafana:3000", False), ("", False)],
)  # fmt: skip
def test_addresses_of_this_machine(root, here):
    assert scene.only_here(root) is here


@pytest.mark.parametrize(
    "told",
    [Told(400, {"message": "dial tcp: connection refused"}),
     Told(200, {"status": "ERROR", "message": "dial tcp: connection refused"})],
)  # fmt: skip
def test_an_influxdb_that_grafana_does_not_reach(provision, fake, told):
    fake.healthy = told
    ran = provision()
    assert ran.status == 0
    assert "Grafana does not reach InfluxDB through the data source FlowSleuth" in ran.err
    assert "connection refused" in ran.err
    assert "--influx-url" in ran.err


def test_a_path_behind_the_host_is_kept(command, fake, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "good")
    asked = []

    def refuse(request: Asked):
        asked.append(request.path)
        return Told(404, {"message": "nothing"})

    fake.refuse = refuse
    assert command("--grafana", f"{fake.url}/grafana/").status == 1
    assert asked == ["/grafana/api/health"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that nobody trusts, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem,
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl to make a certificate with")
    return pem, key


def test_tls_is_checked_and_can_be_told_what_to_trust(command, certificate, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "good")
    pem, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(pem)
    server = FakeServer(tls=context)
    server.answer = lambda _: Told(200, {"database": "ok", "version": "9.0.0"})
    url = server.url.replace("http:", "https:")
    try:
        assert one_line(command("--grafana", url), "cannot be reached", "certificate", "--ca-file")
        assert one_line(command("--grafana", url, "--insecure"), "9.0.0")
        trusting = ("--ca-file", pem, "--client-cert", pem, "--client-key", key)
        assert one_line(command("--grafana", url, *trusting), "9.0.0")
        both = pem.with_name("both.pem")
        both.write_text(pem.read_text() + key.read_text())
        config = f"grafana: {{url: '{url}', ca_file: '{pem}', client_cert: '{both}'}}"
        assert one_line(command(config=config), "9.0.0")
    finally:
        server.close()
