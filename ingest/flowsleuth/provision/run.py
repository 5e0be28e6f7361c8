"""One run of `provision`: look, decide, say, write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.provision import access, contacts, report, rules, scene, sources, trial
from flowsleuth.provision.alerting import MOST_HOSTS
from flowsleuth.provision.apply import apply
from flowsleuth.provision.connection import Grafana
from flowsleuth.provision.items import Found, Kind
from flowsleuth.provision.plan import Act, Step, plan, removal
from flowsleuth.provision.scene import Scene
from flowsleuth.provision.wanted import Wanted, wanted

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does beside the obvious."""

    dry_run: bool = False
    remove: bool = False
    test: bool = False
    keep_edits: bool = False
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Voice:
    """Where a run speaks. say: the report; warn: what is worth knowing besides."""

    say: Say
    warn: Say


def run(
    config: Config, options: Options, voice: Voice, hosts: Mapping[str, str] | None = None
) -> None:
    """Set up the Grafana of `config.grafana`, or take away what is ours.

    hosts: names by address, for messages. Raises ServiceError or ConfigError: before anything is
    written where that can be known, else it says what was done until then.
    """
    with Grafana(config.grafana) as grafana:
        version = scene.identify(grafana)
        if options.remove:
            there = scene.look(grafana, version)
            steps = removal(there.found)
            access.check(grafana, access.removing(step.kind for step in steps))
            _carry_out(grafana, there, steps, options, voice)
            return
        access.check(grafana, access.writing(own_source=not config.grafana.datasource))
        there = scene.look(grafana, version)
        named = hosts or {}
        asked = wanted(config, there, contacts.configured(), grafana.credential, named)
        if options.test and not asked.receiver:
            raise ServiceError(
                "--test needs a receiver: --receiver NAME, or a contact point of our own; nothing "
                "was changed"
            )
        found = _found(grafana, there, asked)
        steps = plan(asked.items, found, keep_edits=options.keep_edits, adopt=options.adopt)
        _carry_out(grafana, there, steps, options, voice)
        if len(named) > MOST_HOSTS:
            voice.warn(
                f"hosts_file has {len(named)} names, and messages can carry {MOST_HOSTS}: they "
                "will have addresses only; a shorter file for `provision` brings names back"
            )
        _advise(grafana, there, asked, options, voice)
        if options.test:
            _try(grafana, there, asked, voice)


def _found(grafana: Grafana, there: Scene, asked: Wanted) -> list[Found]:
    """Return what is there, with what stands under the uids of wanted rules and groups."""
    uids = {item.uid for item in asked.items if item.kind is Kind.RULE}
    groups = [item for item in asked.items if item.kind is Kind.GROUP]
    return [
        *there.found,
        *rules.under(there.all_rules, uids),
        *rules.found_groups(grafana, groups, there.all_rules),
    ]


def _carry_out(
    grafana: Grafana, there: Scene, steps: Sequence[Step], options: Options, voice: Voice
) -> None:
    """Say what a plan is, and do it unless it is to be said only."""
    _see_nobody_needs_it(grafana, there, steps)
    if options.dry_run:
        for step in steps:
            _say(step, report.FUTURE, voice, whole=True)
        voice.say(report.summary(steps, report.FUTURE))
        return
    for step in steps:
        if step.edited:
            _say(step, report.FUTURE, voice)
    left = apply(grafana, steps, lambda step: voice.say(report.line(step, report.PAST)))
    for step in left:
        voice.warn(f"{step.kind} {step.title} stays: there is something in it that is not ours")
    voice.say(report.summary((step for step in steps if step not in left), report.PAST))


def _say(step: Step, words: Mapping[Act, str], voice: Voice, *, whole: bool = False) -> None:
    if step.act is Act.NOTHING:
        return
    voice.say(report.line(step, words))
    for text in (*report.edited(step), *(report.difference(step) if whole else ())):
        voice.say(text)


def _see_nobody_needs_it(grafana: Grafana, there: Scene, steps: Iterable[Step]) -> None:
    """See that no contact point goes which the user's own rules or policies name.

    Raises ServiceError. Grafana would refuse it too, but only halfway.
    """
    going = {step.uid for step in steps if (step.act, step.kind) == (Act.REMOVE, Kind.CONTACT)}
    names = {
        name
        for name, integrations in there.receivers.items()
        if {one["uid"] for one in integrations} <= going
    }
    if not names:
        return
    ours = {step.uid for step in steps if step.kind is Kind.RULE}
    by_rule = {
        (rule.get("notification_settings") or {}).get("receiver"): rule["title"]
        for rule in there.all_rules
        if rule["uid"] not in ours
    }
    for name in names:
        if name in scene.told_by_policies(grafana):
            raise _needed(name, "your notification policies tell it")
        if name in by_rule:
            raise _needed(name, f"your rule {by_rule[name]} tells it")


def _needed(name: str, why: str) -> ServiceError:
    return ServiceError(
        f"contact point {name} cannot go: {why}: name another one there first; nothing was changed"
    )


def _advise(grafana: Grafana, there: Scene, asked: Wanted, options: Options, voice: Voice) -> None:
    """Say what works now, and yet not as it should."""
    if scene.only_here(there.root):
        voice.warn(
            f"Grafana calls itself {there.root}: the links in its messages are dead on a phone; "
            "set root_url in its configuration (GF_SERVER_ROOT_URL) to the address people use"
        )
    if not asked.receiver:
        voice.warn(
            "alerts go where your notification policies send them; --receiver NAME, or a contact "
            "point of our own (docs/provision.md), tells somebody for certain"
        )
    if not options.dry_run and (trouble := sources.trouble(grafana, asked.source[1])):
        voice.warn(
            f"Grafana does not reach InfluxDB through the data source {asked.source[0]}: "
            f"{trouble}: --influx-url says where Grafana finds it"
        )


def _try(grafana: Grafana, there: Scene, asked: Wanted, voice: Voice) -> None:
    """Send the demo's alert."""
    for text in trial.send(grafana, asked.receiver, trial.demo_alert(there.root)):
        voice.say(f"test alert sent through {asked.receiver}: {text}")
