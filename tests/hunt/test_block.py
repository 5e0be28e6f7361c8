"""`block`: the rules for each firewall, by address and by port; they are those of the mails."""

import pytest

from flowsleuth.cli.block import command
from flowsleuth.firewalls import FIREWALLS, SOURCE, Match

from .printed import printed

V4, V6, PORT = "10.1.42.17", "2001:db8:1::17", "14857/udp"
JUNOS = "set firewall family {} filter PROTECT term flowsleuth"


def rules(firewall, *what):
    """The lines that are no comment."""
    out = printed(command, *what, "--for", firewall).splitlines()
    mark = FIREWALLS[firewall].comment
    comments = [line for line in out if line.startswith(f"{mark} ")]
    assert out[: len(comments)] == comments
    assert comments[0].endswith("Nothing has been applied.")
    assert all(len(line) <= 80 for line in comments[1:])
    return out[len(comments) :]


@pytest.mark.parametrize("firewall", FIREWALLS)
@pytest.mark.parametrize("address", [V4, V6])
@pytest.mark.parametrize("port", ["", PORT, "53"])
def test_an_address_is_blocked_both_ways(firewall, address, port):
    lines = rules(firewall, *filter(None, (address, port)))
    naming = [line for line in lines if address in line]
    assert len(naming) >= 2  # as source and as destination
    assert ("14857" in "".join(lines)) == (port == PORT)
    for protocol in ("tcp", "udp"):
        expected = port == "53" or (port == PORT and protocol == "udp")
        assert any(protocol in line for line in lines) == expected


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_a_port_is_blocked_in_both_ip_versions(firewall):
    lines = rules(firewall, PORT)
    assert all("14857" in line or "udp" in line or "discard" in line or "list" in line
               for line in lines)  # fmt: skip
    text = "\n".join(lines).lower()
    v4 = {"cisco": "ip access-list", "junos": "inet ", "mikrotik": "/ip ", "pfsense": "ipv4",
          "nftables": "nfproto ipv4"}  # fmt: skip
    v6 = {"cisco": "ipv6 access-list", "junos": "inet6 ", "mikrotik": "/ipv6 ", "pfsense": "ipv6",
          "nftables": "nfproto ipv6"}  # fmt: skip
    assert v4[firewall] in text
    assert v6[firewall] in text


def test_the_texts():
    assert rules("cisco", V4, PORT) == [
        "ip access-list extended FLOWSLEUTH",
        f"deny udp host {V4} any eq 14857",
        f"deny udp host {V4} eq 14857 any",
        f"deny udp any host {V4} eq 14857",
        f"deny udp any eq 14857 host {V4}",
    ]
    assert rules("cisco", V6) == [
        "ipv6 access-list FLOWSLEUTH", f"deny ipv6 host {V6} any", f"deny ipv6 any host {V6}",
    ]  # fmt: skip
    assert rules("junos", V6, PORT)[:4] == [
        f"{JUNOS.format('inet6')} from source-address {V6}/128",
        f"{JUNOS.format('inet6')} from next-header udp",
        f"{JUNOS.format('inet6')} from port 14857",
        f"{JUNOS.format('inet6')} then discard",
    ]
    assert rules("nftables", V6) == [
        f"nft insert rule inet filter forward ip6 saddr {V6} drop",
        f"nft insert rule inet filter forward ip6 daddr {V6} drop",
    ]
    assert rules("mikrotik", PORT)[0] == (
        "/ip firewall filter add chain=forward action=drop protocol=udp port=14857 place-before=0"
    )
    assert rules("pfsense", V4)[0].endswith("Block, IPv4, any, source 10.1.42.17")


@pytest.mark.parametrize("firewall", FIREWALLS.values(), ids=lambda f: f.name)
def test_the_rule_in_the_mail_is_one_of_them(firewall, pytestconfig):
    """docs/alerts.md prints the mail of the story."""
    page = (pytestconfig.rootpath / "docs" / "alerts.md").read_text(encoding="utf-8")
    ours = list(firewall.rules(Match(4, SOURCE, V4, "udp", "14857")))
    block = "\n".join(f"  {line}" for line in [*firewall.head_of(4), *ours])
    assert f"\n{firewall.name}:\n{block}\n" in page
    (name,) = (name for name, each in FIREWALLS.items() if each is firewall)
    assert set(ours) <= set(rules(name, V4, PORT))


def test_the_page_prints_them(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "hunt.md").read_text(encoding="utf-8")
    assert f"```text\n{printed(command, V4, PORT, '--for', 'nftables')}```\n" in page


@pytest.mark.parametrize(
    ("what", "word"),
    [
        (["10.1.42.999"], "is no address"),
        (["0"], "is no port"),
        (["70000/udp"], "is no port"),
        (["x/udp"], "is no port"),
        (["53/icmp"], "'icmp' has no ports; known are dccp, sctp, tcp, udp, udplite"),
        (["53/"], "'' has no ports"),
        (["fe80::1%eth0"], "leave %eth0 out"),
        ([V4, V6], "one ADDRESS, one PORT, or one of each"),
        (["53", "80"], "one ADDRESS, one PORT, or one of each"),
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(what, word):
    from click.testing import CliRunner

    ran = CliRunner().invoke(command, [*what, "--for", "cisco"])
    assert ran.exit_code == 2
    assert word in ran.stderr
    assert ran.stdout == ""
