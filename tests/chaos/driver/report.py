"""A campaign for a reader: its schedule, what was done, what was found, and the one command that does it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.driver.campaign import Outcome
from tests.chaos.driver.faults import Planned
from tests.chaos.driver.history import Operation
from tests.chaos.driver.invariants import CHECKS
from tests.chaos.driver.invariants.epochs import Epochs, acknowledged, writes
from tests.chaos.driver.invariants.rights import revocations
from tests.chaos.driver.world import NO_FAKETIME, Plan

_SHOWN = 12
_EVIDENCE = 600


def command(plan: Plan) -> str:
    """What replays a campaign."""
    options = [f"--seed {plan.seed}", f"--seconds {plan.seconds:g}", f"--servers {plan.servers}"]
    options += [f"--clients {plan.clients}", f"--backend {plan.backend}"]
    options += ["--daphne"] if plan.has_daphne else []
    options += [f"--kinds {','.join(plan.kinds)}"] if plan.kinds else []
    return f"python -m tests.chaos.driver {' '.join(options)}"


def schedule_lines(plan: Plan, planned: list[Planned]) -> Iterator[str]:
    """The faults to come."""
    kind = ", the last one daphne" if plan.has_daphne else ""
    yield f"seed {plan.seed}: {plan.servers} servers{kind}, {plan.clients} clients, entries in {plan.backend}"
    yield from (f"  {each.at:6.2f} s  {each.kind:<20} for {each.seconds:.2f} s  ({each.target})" for each in planned)
    yield "  The seed decides this list, and what each client does given the same answers; not how long things take."


def summary_lines(outcome: Outcome) -> Iterator[str]:
    """What was done and found."""
    outcomes = Counter((each.method, each.outcome) for each in outcome.history.operations)
    yield f"  {'':<24}{'ok':>8}{'refused':>9}{'unknown':>9}"
    for method in sorted({method for method, _ in outcomes}):
        counts = [outcomes[method, each] for each in ("ok", "refused", "unknown")]
        yield f"  {method:<24}{counts[0]:>8}{counts[1]:>9}{counts[2]:>9}"
    broken = Counter(violation.invariant for violation in outcome.violations)
    names = [check.__name__.partition("_")[0].upper() for check in CHECKS]
    yield "  " + "  ".join(f"{name} {broken[name] or 'ok'}" for name in sorted(names, key=lambda name: int(name[1:])))
    yield f"  {judged(outcome)}; {times(outcome)}"
    yield from {f"  {fault.note}" for fault in outcome.history.faults if fault.note == NO_FAKETIME}


def line(outcome: Outcome) -> str:
    """A campaign in one line."""
    operations = outcome.history.operations
    unknown = sum(each.outcome == "unknown" for each in operations)
    kinds = ",".join(each.kind for each in outcome.history.faults)
    found = Counter(violation.invariant for violation in outcome.violations)
    verdict = " ".join(f"{name}×{count}" for name, count in found.items()) or "held"
    did = f"{len(operations):>5} calls {unknown:>4} unknown {judged(outcome)}"
    return f"seed {outcome.plan.seed:>3}  {did}  {times(outcome)}  {verdict}  {kinds}"


def judged(outcome: Outcome) -> str:
    """Of how many acknowledged writes the checks knew the epoch; the others are judged by none that needs it."""
    all_writes = [each for each in writes(outcome.history) if each.outcome == "ok"]
    known = sum(1 for _ in acknowledged(outcome.history, Epochs(outcome.history, outcome.final)))
    taken = len(revocations(outcome.history))
    return f"{known} of {len(all_writes)} acknowledged writes and {taken} revocations judged"


def times(outcome: Outcome) -> str:
    """After healing: how long somebody connected saw something old, when all were back, and when they saw the same."""
    marks = outcome.history.marks
    healed, back, one = (marks.get(name) for name in ("healed", "connected", "converged"))
    lag = f"nobody behind for over {outcome.final.lag.seconds if outcome.final.lag else 0:.2f} s"
    if healed is None or back is None:
        return f"{lag}, never all back"
    converged = "never" if one is None else f"{max(0.0, one - back):.2f} s later"
    return f"{lag}, all back {back - healed:.2f} s after healing, the same {converged}"


def violation_lines(outcome: Outcome) -> Iterator[str]:
    """What was broken, with what was involved; where the rest is, and how to see it again."""
    for violation in outcome.violations[:_SHOWN]:
        yield f"  {violation.invariant}  {violation.text}"
        yield from (f"        {_shown(each)}" for each in violation.evidence[:6])
    if len(outcome.violations) > _SHOWN:
        yield f"  … and {len(outcome.violations) - _SHOWN} more"
    yield f"  logs and history: {outcome.folder}"
    yield f"  again: {command(outcome.plan)}"


def _shown(evidence: object) -> str:
    if isinstance(evidence, Operation):
        end = "…" if evidence.end is None else f"{evidence.end:.3f}"
        what = f"{evidence.do or evidence.key} {dict(evidence.values)} if_version={evidence.if_version}"
        return (
            f"#{evidence.number} {evidence.client} {evidence.method} {evidence.room} {what}"
            f" {evidence.start:.3f}–{end} {evidence.outcome} {evidence.reason} {evidence.entries}"
        )[:_EVIDENCE]
    text = str(evidence)
    return text if "\n" in text else text[:_EVIDENCE]
