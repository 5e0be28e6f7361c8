"""`identify` on the command line, before an InfluxDB that knows nothing, and with a made-up nmap.

What it says of points is in tests/hunt/test_influx.py, before a real one.
"""

import pytest

NOTHING = "The points know nothing of it: it was never among the largest of its network."


@pytest.fixture
def nmap(tmp_path, monkeypatch):
    """An nmap on the PATH, and nothing else, that prints what it is called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "nmap"

    def made(status=0):
        path.write_text(f'#!/bin/sh\necho "scanned: $*"\nexit {status}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return path

    return made


def test_nothing_is_sent_to_the_host_unless_asked(cli, configured, nmap):
    nmap(status=9)
    ran = cli("identify", "-c", configured(), "10.1.42.17", "--port", "14857/udp")
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines == ["service      udp port 14857: no name in any list here", NOTHING]


@pytest.mark.parametrize(
    ("address", "port", "words"),
    [
        ("10.1.42.17", "14857/udp", ["-sU -sV -Pn -n -p 14857 10.1.42.17"]),
        ("2001:db8:1::17", "22/tcp", ["-sV -Pn -n -p 22 -6 2001:db8:1::17"]),
        (
            "10.1.42.17",
            "53",
            ["-sV -Pn -n -p 53 10.1.42.17", "-sU -sV -Pn -n -p 53 10.1.42.17"],
        ),
        ("10.1.42.17", "9/sctp", ["-sY -sV -Pn -n -p 9 10.1.42.17"]),
    ],
)
def test_nmap_looks_at_this_port_alone_and_its_command_comes_first(
    run_cli, configured, nmap, address, port, words
):
    path = nmap()
    ran = run_cli(
        "identify", "-c", configured(), address, "--port", port, "--scan", PATH=str(path.parent)
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    _, *scans = ran.stdout.split("\n\n")
    assert scans == [
        f"$ {path} {each}\nscanned: {each}" + "\n" * (each is words[-1]) for each in words
    ]


def test_a_missing_or_failing_nmap_is_one_line(cli, configured, nmap, monkeypatch):
    asked = ("identify", "-c", configured(), "10.1.42.17", "--port", "14857/udp", "--scan")
    nmap(status=3)
    ran = cli(*asked)
    assert (ran.status, ran.err) == (
        1,
        "flowsleuth: nmap failed (exit status 3); see what it says above\n",
    )
    monkeypatch.setenv("PATH", "/nowhere")
    ran = cli(*asked)
    assert ran.status == 1
    assert ran.err.startswith("flowsleuth: --scan needs nmap, which is not on the PATH")
    assert NOTHING not in ran.lines  # said before anything is asked


def test_an_influxdb_that_is_away_is_one_line(cli, tmp_path):
    path = tmp_path / "away.yaml"
    path.write_text("influx: {url: 'http://127.0.0.1:9', timeout_s: 1}\n")
    ran = cli("identify", "-c", path, "10.1.42.17", "--port", "14857/udp")
    assert ran.status == 1
    assert ran.err.startswith("flowsleuth: ")
    assert "127.0.0.1:9" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("port", "known"),
    [
        ("443/tcp", "tcp port 443 (https): known for"),
        ("14857/udp", "named in the configuration"),
        ("60000/udp", "a dynamic port, which nobody can register"),
        ("1022/udp", "though it is a system port"),
    ],
)
def test_what_a_port_is_called(cli, configured, port, known, monkeypatch):
    def unknown(*_):
        raise OSError

    monkeypatch.setattr("socket.getservbyport", unknown)
    config = configured("services: {14857/udp: acme-sync}")
    ran = cli("identify", "-c", config, "10.1.42.17", "--port", port)
    assert known in ran.lines[0]


def test_the_systems_list_is_asked_last(cli, configured, monkeypatch):
    monkeypatch.setattr("socket.getservbyport", lambda port, protocol: f"{protocol}-{port}")
    ran = cli("identify", "-c", configured(), "10.1.42.17", "--port", "14857/udp")
    assert ran.lines[0] == (
        "service      udp port 14857 (udp-14857): registered under this name (this system's list)"
    )
