"""Does the hunt find what there is, and nothing else? Over generated scenarios (hunt_world.py).

Printed are, for seeds 0 to 59, and for 1000 to 1059, that nothing was chosen by:

- recall: how many of the anomalies were found, in their network, direction and protocol;
- precision: how many of the findings are anomalies;
- culprit: of what was found, how many have the right kind, address and port;
- window: of what was found, how many begin and end within one window of the truth.

Exit status 1 where one of them is below 95 %.

    python bench/hunt.py [--seeds N] [--seed FIRST] [-v]
"""

import argparse
import sys
import time
from dataclasses import dataclass, field

from hunt_world import Scenario, Truth, scenario

from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.hunt.findings import Finding
from flowsleuth.hunt.hunting import hunt
from flowsleuth.hunt.reading import gathering, of_captures, settings

DEMANDED = 0.95
SEEDS, HELD_OUT = 60, 1000


@dataclass
class Score:
    """Counts over scenarios."""

    truths: int = 0
    found: int = 0
    findings: int = 0
    right: int = 0
    culprit: int = 0
    window: int = 0
    by_kind: dict[str, list[int]] = field(default_factory=dict)

    def shares(self) -> dict[str, float]:
        """Return what is demanded."""
        return {
            "recall": self.found / max(self.truths, 1),
            "precision": self.right / max(self.findings, 1),
            "culprit": self.culprit / max(self.found, 1),
            "window": self.window / max(self.found, 1),
        }


def found_in(made: Scenario) -> list[Finding]:
    """Return what the hunt finds in a scenario's capture."""
    config: Config = made.config()
    decoder = Decoder()
    gathered = gathering(config)
    for batch in made.datagrams():
        for flows in decoder.decode(batch).flows:
            gathered.feed(flows, {})
    return hunt(of_captures(config, gathered), settings(config))


def matches(truth: Truth, finding: Finding) -> bool:
    """Tell whether a finding is of an anomaly: the same series, half of the shorter in common."""
    told = finding.culprit
    if told.series != (truth.network, truth.direction, truth.protocol):
        return False
    together = min(told.last, truth.last) - max(told.first, truth.first)
    return 2 * together >= min(told.last - told.first, truth.last - truth.first)


def compare(made: Scenario, findings: list[Finding], score: Score, *, verbose: bool) -> None:
    """Add a scenario to the score."""
    score.truths += len(made.truths)
    score.findings += len(findings)
    left = list(findings)
    for truth in made.truths:
        mine = [one for one in left if matches(truth, one)]
        told = max(mine, key=lambda one: _exact(truth, one), default=None)
        kind = score.by_kind.setdefault(truth.kind, [0, 0])
        kind[1] += 1
        if told is None:
            if verbose:
                print(f"  missed: {truth}")
            continue
        left.remove(told)
        score.found += 1
        score.right += 1
        culprit, window = _exact(truth, told)
        score.culprit += culprit
        score.window += window
        kind[0] += 1
        if verbose and not (culprit and window):
            print(f"  not exact: {truth}\n      told: {_short(told)}")
    if verbose:
        for one in left:
            print(f"  wrong: {_short(one)}")


def _exact(truth: Truth, finding: Finding) -> tuple[bool, bool]:
    told = finding.culprit
    return (
        (told.kind.value, told.address, told.port) == (truth.kind, truth.address, truth.port),
        abs(told.first - truth.first) <= 1 and abs(told.last - truth.last) <= 1,
    )


def _short(one: Finding) -> str:
    told = one.culprit
    return (
        f"{told.kind} {'/'.join(told.series)} {told.measure.name.lower()} {told.address} "
        f"{told.port} {told.first}..{told.last} share {told.share:.2f} "
        f"{one.bytes:,} for {one.expected_bytes:,}"
    )


def run(first: int, seeds: int, *, verbose: bool) -> bool:
    """Print the score of some seeds; return whether it is good enough."""
    score, began = Score(), time.process_time()
    for seed in range(first, first + seeds):
        made = scenario(seed)
        findings = found_in(made)
        if verbose:
            days = made.minutes / 1440
            sampled = sorted({device.sampling for device in made.devices})
            print(
                f"seed {seed}: {days:.1f} days, {len(made.sites)} networks, 1:{sampled}, "
                f"{len(made.truths)} anomalies, {len(findings)} findings",
                flush=True,
            )
        compare(made, findings, score, verbose=verbose)
    kinds = ", ".join(f"{kind} {a} of {b}" for kind, (a, b) in sorted(score.by_kind.items()))
    print(
        f"seeds {first} to {first + seeds - 1}: {score.truths} anomalies ({kinds}), "
        f"{score.findings} findings; "
        + ", ".join(f"{name} {share:.1%}" for name, share in score.shares().items())
        + f" ({time.process_time() - began:.0f} s of CPU)",
        flush=True,
    )
    return min(score.shares().values()) >= DEMANDED


def main() -> int:
    """Print both scores; return the exit status."""
    options = argparse.ArgumentParser(description="Does the hunt find what there is?")
    options.add_argument("--seeds", type=int, default=SEEDS, help="how many scenarios")
    options.add_argument("--seed", type=int, help="the first; only these then")
    options.add_argument("-v", "--verbose", action="store_true", help="name what was wrong")
    asked = options.parse_args()
    firsts = (0, HELD_OUT) if asked.seed is None else (asked.seed,)
    good = [run(first, asked.seeds, verbose=asked.verbose) for first in firsts]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
