"""The written rules, one function each, in the order in which they are told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.market.verdict.findings import UNDEFINED, Case, Facts, above_zero, difference_to, strongest
from assay.market.verdict.plausibility import ic_limit, implausible_ic, implausible_sharpe, sharpe_limit
from assay.market.verdict.rule import Level
from assay.market.verdict.words import listed, told

PLAUSIBILITY = "Plausibility"


@dataclass(frozen=True)
class Ruling:
    """What became of one rule.

    Attributes:
        name: Its name.
        said: What was found and what is needed, in one sentence.
        holds: Whether it holds; None where nothing is known, which is no pass.
        but: What it takes from a claim when it does not hold, to follow a comma.
    """

    name: str
    said: str
    holds: bool | None
    but: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"name": self.name, "said": self.said, "holds": self.holds}


def rulings(case: Case) -> tuple[Ruling, ...]:
    """What became of every rule, in their order."""
    return tuple(rule(case) for rule in RULES)


def level(case: Case, found: Sequence[Ruling]) -> Level:
    """What the rules add up to.

    Args:
        case: The case.
        found: What became of every rule of it.
    """
    if any(ruling.name == PLAUSIBILITY and not ruling.holds for ruling in found):
        return "implausible"
    if all(ruling.holds for ruling in found):
        return "evidence"
    return "weak" if case.directed or case.profitable else "no evidence"


def _direction(case: Case) -> Ruling:
    name, needed = "Direction", "the lower end has to lie above 0"
    if case.ic["value"] is None:
        return Ruling(name, f"The {case.label} is undefined, a forecast that never changes knows no direction.", False)
    return Ruling(name, f"The {case.label} is {told(case.ic, '+z.3f')}; {needed}.", _clear(case.ic))


def _naive(case: Case) -> Ruling:
    name, but = "Naive forecasts", "but not better than a forecast that knows nothing"
    evaluation, metric = case.evaluation, case.primary.metric
    there = [rival for rival in case.rule.naive if rival in evaluation["models"][case.model]["versus"]]
    if not there:
        return Ruling(name, "No naive forecast took part.", None, "but no naive forecast was there to compare with")
    rival = strongest(evaluation, there, metric)
    gain = difference_to(evaluation, case.model, rival, metric) if rival else UNDEFINED
    if gain["value"] is None:
        return Ruling(name, f"{listed(there)} give no direction; the comparison is with 0.", _clear(case.ic), but)
    said = f"The {case.label} is {told(gain, '+z.3f')} above that of {rival}, the best of them; needed: above 0."
    return Ruling(name, said, _clear(gain), but)


def _profit(case: Case) -> Ruling:
    return _earned("Profit", "The net Sharpe ratio", case, case.sharpe)


def _timing(case: Case) -> Ruling:
    return _earned("Timing", "Without the drift of the market it", case, case.timing)


def _earned(name: str, what: str, case: Case, estimate: Facts) -> Ruling:
    if case.backtest is None:
        return Ruling(name, "There is no backtest.", None)
    if estimate["value"] is None:
        return Ruling(name, f"{what} is undefined, nothing is left to measure.", False)
    return Ruling(name, f"{what} is {told(estimate, 'z.2f')} a year; needed: above 0.", _clear(estimate))


def _trials(case: Case) -> Ruling:
    name, least = "Trials", case.rule.min_deflated_sharpe
    deflated = case.deflated().get("dsr")
    if deflated is None:
        return Ruling(name, *_unknown(case, "The deflated Sharpe ratio is"), "but what was tried before is not known")
    count = case.findings.significance["trials"]["configurations"] if case.findings.significance else 0
    said = (
        f"The chance that its Sharpe ratio beats the luckiest of {count:,} configurations ever tried on this head is "
        f"{deflated:.3f}; needed: {least:g}."
    )
    return Ruling(name, said, deflated >= least, "but so might the luckiest of all that was tried")


def _unknown(case: Case, what: str) -> tuple[str, None]:
    why = "there is no ledger of trials" if case.findings.significance is None else "it has no Sharpe ratio"
    return f"{what} not known: {why}.", None


def _episodes(case: Case) -> Ruling:
    name, least = "Episodes", case.rule.min_episodes
    leaned = case.evaluation["skill"][case.model].get("episodes")
    held = case.backtest.episodes if case.backtest else None
    known = {"leaned to a side": leaned, "held a position": held}
    counted = {what: count for what, count in known.items() if count is not None}
    if not counted:
        return Ruling(name, "Nobody counted independent episodes.", None, "but nobody counted on how many occasions")
    said = listed([f"{what} in {count:,}" for what, count in counted.items()])
    fewest = min(counted.values())
    said = f"It {said} independent episodes; needed: {least}."
    return Ruling(name, said, fewest >= least, f"but on {fewest} occasions only")


def _seeds(case: Case) -> Ruling:
    name, seeds, least = "Seeds", case.findings.seeds, case.rule.min_seeds
    but = "but nobody knows whether another seed agrees"
    if seeds is None:
        return Ruling(name, "No other seed was tried.", None, but)
    if seeds["model"] != case.model or len(seeds["ic"]) < least:
        return Ruling(name, f"{len(seeds['ic'])} seeds are known, {least} are needed. {seeds['said']}", None, but)
    ics = seeds["ic"]
    if None in ics:
        return Ruling(name, "With some seeds the forecast never changes.", False, "but not with every seed")
    low, high = case.ic["low"], case.ic["high"]
    apart = f", apart from the {high - low:.3f} that the interval over rows is wide" if low is not None else ""
    said = f"With {len(ics)} seeds the IC goes from {min(ics):+.3f} to {max(ics):+.3f} (sd {seeds['sd']:.3f}{apart})"
    return Ruling(name, f"{said}; needed: all above 0.", min(ics) > 0.0, "but not with every seed")


def _family(case: Case) -> Ruling:
    """Hansen's (2005) consistent p over all heads by Bonferroni, and Romano and Wolf's (2005) StepM for the primary."""
    name, limit = "Whole report", case.rule.family_level
    contests = {head: contest for head, contest in case.findings.contests.items() if contest.get("spa")}
    own = contests.get(case.primary.head)
    p = family_p(contests.values())
    if own is None or p is None:
        return Ruling(name, "The models were not contested.", None, "but not held against the luck of all models")
    better, count = case.model in own["stepm"]["better"], sum(contest["spa"]["models"] for contest in contests.values())
    said = (
        f"Were all {count} models of {len(contests)} {'head' if len(contests) == 1 else 'heads'} worthless, the best "
        f"would look as good with p {p:.3f} (needed: {limit:g}), and {case.model} is {'' if better else 'not '}among "
        "those that stand out one by one."
    )
    but = "but it does not stand out" if p <= limit else "but the best would look as good by chance"
    return Ruling(name, said, p <= limit and better, f"{but} among all models of this report")


def family_p(contests: Iterable[Facts]) -> float | None:
    """The smallest consistent p over the heads times their number, at most 1; None where no head has one."""
    found = [contest["spa"]["p_consistent"] for contest in contests]
    known = [p for p in found if p is not None]
    return min(1.0, min(known) * len(found)) if known else None


def _universe(case: Case) -> Ruling:
    name, count = "Universe", case.evaluation["entities"]
    if case.capped:
        said = f"The {count} entities are those that exist today, and nobody checked which could have been chosen."
        return Ruling(name, said, False, "but only on entities that exist today")
    named = "were named beforehand" if case.rule.universe == "fixed" else "are too few to be picked survivors"
    return Ruling(name, f"The {count} entities {named}.", True)


def _plausibility(case: Case) -> Ruling:
    broken = ["IC"] if implausible_ic(case) else []
    broken += ["Sharpe ratio"] if implausible_sharpe(case) else []
    lines = f"an IC of {ic_limit(case):g} or a net Sharpe ratio of {sharpe_limit(case):g}"
    if broken:
        return Ruling(PLAUSIBILITY, f"Too large, and not by chance: {listed(broken)}. The lines are {lines}.", False)
    return Ruling(PLAUSIBILITY, f"Nothing is beyond {lines}, other than by chance.", True)


def _clear(estimate: Facts) -> bool | None:
    """Whether it lies above 0; None for a value without an interval."""
    return above_zero(estimate) if estimate["low"] is not None else None


RULES: tuple[Callable[[Case], Ruling], ...] = (
    _direction,
    _naive,
    _profit,
    _timing,
    _trials,
    _episodes,
    _seeds,
    _family,
    _universe,
    _plausibility,
)
