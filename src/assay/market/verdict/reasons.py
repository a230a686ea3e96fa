"""The verdict in words: one sentence above, and the reasons below it."""

import math
from collections.abc import Iterable, Sequence

from assay.market.evaluation import DIRECTION
from assay.market.significance import rows_needed
from assay.market.verdict.findings import Case, Facts, difference_to, strongest
from assay.market.verdict.plausibility import ic_limit, implausible_ic, implausible_sharpe, sharpe_limit
from assay.market.verdict.rule import Level
from assay.market.verdict.rules import Ruling
from assay.market.verdict.words import USUAL, bars, listed, side_of_zero, told

Reason = dict[str, str]

GOOD_ICS = (0.05, 0.02)
POWER = 0.8
CLOSE_CALL = 0.001  # a smaller IC would take more rows than there ever will be


def headline(case: Case, level: Level, found: Sequence[Ruling]) -> str:
    """The verdict in one sentence.

    Args:
        case: The case.
        level: What the rules add up to.
        found: What became of every rule.
    """
    name, ahead = case.model, bars(case.evaluation["horizon"])
    if level == "implausible":
        return f"{name} looks too good to be true: treat this as a leak until proved otherwise."
    if level == "evidence":
        return f"{name} called the direction of the next {ahead} better than chance and profited from it after costs."
    if level == "no evidence":
        return f"There is no evidence that {name} knows which way the next {ahead} will go: do not trade on it."
    if case.directed and case.profitable:
        return f"A hint, not proof: {name} called the direction and profited, {_but(found)}."
    if case.directed:
        return f"A hint, not proof: {name} leans the right way over the next {ahead}, but after costs it may be luck."
    return (
        f"A hint, not proof: {name} earned more than drift after costs, but its scores do not line up with the returns."
    )


def _but(found: Sequence[Ruling]) -> str:
    """What stands in the way: the first rule that fails, else the first of which nothing is known."""
    return next(ruling.but for holds in (False, None) for ruling in found if ruling.holds is holds)


def reasons(case: Case, level: Level) -> list[Reason]:
    """Each ``about``, a word or two, and what is ``said``."""
    unsettled = not (case.directed and case.profitable) and level != "implausible"
    return [
        _on_ic(case),
        _on_baselines(case),
        _on_profit(case),
        *_on_plausibility(case),
        *_on_volatility(case),
        *([_on_universe(case)] if case.capped else []),
        *([_on_rows(case)] if unsettled else []),
        _on_the_claim(case),
    ]


def _reason(about: str, said: str) -> Reason:
    return {"about": about, "said": said}


def _on_ic(case: Case) -> Reason:
    evaluation, about, ic = case.evaluation, "Direction", case.ic
    rows = f"{evaluation['rows']:,} rows, worth about {evaluation['effective_rows']:,.0f} independent ones"
    if ic["value"] is None:
        return _reason(about, f"The {case.label} of {case.model} is undefined on {rows}: its forecast never changes.")
    t = evaluation["skill"][case.model]["direction"]["t_hac"]
    quoted = t is not None and case.primary.metric == DIRECTION[evaluation["kind"]]
    aware = f", overlap-aware t {t:.1f}" if quoted else ""
    found = f"{told(ic, '+z.3f')} ({100 * evaluation['confidence']:g} % interval{aware})"
    return _reason(about, f"The {case.label} of {case.model} is {found} on {rows}; {side_of_zero(ic)}.")


def _on_baselines(case: Case) -> Reason:
    evaluation, metric, about = case.evaluation, case.primary.metric, "Baselines"
    versus = evaluation["models"][case.model]["versus"]
    rival = strongest(evaluation, [name for name in versus if _role(evaluation, name) == "baseline"], metric)
    if rival is None:
        return _reason(about, "None of them has a direction to hold this against; the comparison is with 0.")
    reached = f"The strongest, {rival}, reaches {told(evaluation['models'][rival]['metrics'][metric], '+z.3f')}"
    gain = difference_to(evaluation, case.model, rival, metric)
    if gain["value"] is None:
        return _reason(about, f"{reached}.")
    return _reason(about, f"{reached}; the difference is {told(gain, '+z.3f')}, {side_of_zero(gain)}.")


def _role(evaluation: Facts, name: str) -> str:
    return str(evaluation["models"][name]["role"])


def _on_profit(case: Case) -> Reason:
    about, sharpe, timing = "Profit", case.sharpe, case.timing
    if case.backtest is None:
        return _reason(about, "There is no backtest, so nothing is known about profit after costs.")
    if sharpe["value"] is None:
        return _reason(about, "The net Sharpe ratio after the stated costs is undefined, no position was taken.")
    exposure = f"with {case.backtest.judged['exposure']:.1%} of the capital at work on average"
    net = f"The net Sharpe ratio after the stated costs is {told(sharpe, 'z.2f')} a year, {exposure}"
    if timing["value"] is None:
        return _reason(about, f"{net}; without drift nothing is left to measure.")
    return _reason(about, f"{net}; without drift it is {told(timing, 'z.2f')}: {side_of_zero(timing)}.")


def _on_plausibility(case: Case) -> list[Reason]:
    alarms = []
    if implausible_ic(case):
        alarms.append(
            f"An IC beyond {ic_limit(case):g} is far more than real markets give ({USUAL}); "
            "look for a feature that knows the future."
        )
    if implausible_sharpe(case):
        alarms.append(
            f"A net Sharpe ratio beyond {sharpe_limit(case):g} a year is hardly seen in real trading; "
            "look at the fills and the costs first."
        )
    return [_reason("Alarm", said) for said in alarms]


def _on_volatility(case: Case) -> list[Reason]:
    gain = case.evaluation["skill"][case.model]["volatility"].get("accuracy")
    if not gain or gain["value"] is None:
        return []
    points = {key: value if value is None else 100.0 * value for key, value in gain.items()}
    said = (
        f"With its direction taken away {case.model} gains {told(points, '+z.1f')} points of accuracy over the "
        f"class prior; {side_of_zero(gain)}."
    )
    return [_reason("Volatility skill, no evidence of direction", said)]


def _on_universe(case: Case) -> Reason:
    return _reason(
        "Survivorship",
        f"The {case.evaluation['entities']} entities are those that exist today, and nobody checked which could have "
        "been chosen back then: the verdict is at most weak.",
    )


def _on_rows(case: Case) -> Reason:
    """How much more data would settle it, at the level of the interval that decides."""
    level = (1.0 - case.evaluation["confidence"]) / 2.0
    needs = [_needed(case, f"an IC of {size:.2f}", size, level) for size in GOOD_ICS]
    found = case.ic["value"]
    if not case.directed and found is not None and found > CLOSE_CALL:
        needs.append(_needed(case, f"one as large as the one found, {found:.3f},", found, level))
    said = f"With {POWER:.0%} power at a one-sided {level:.1%}: {'; '.join(needs)}."
    return _reason("What would settle it", " ".join([said, *_on_years(case)]))


def _needed(case: Case, what: str, size: float, level: float) -> str:
    here = case.evaluation["timestamps"]
    timestamps = math.ceil(rows_needed(size, power=POWER, level=level) * here / case.evaluation["effective_rows"])
    if timestamps <= here:
        return f"{what} would show on {timestamps:,} timestamps, which are here"
    years = (timestamps / here - 1.0) * case.years
    return f"{what} would show on {timestamps:,} timestamps, about {years:,.0f} more years of them"


def _on_years(case: Case) -> Iterable[str]:
    """How long a record its Sharpe ratio takes (Bailey and Lopez de Prado 2012)."""
    years = case.deflated().get("min_track_record_years")
    if years is not None and not case.profitable:
        yield f"A net Sharpe ratio as large as the one found takes a record of {years:,.1f} years."


def _on_the_claim(case: Case) -> Reason:
    claim = f"{case.primary.head}, {case.model}, {case.label}"
    declared = f"One claim is declared in the configuration of this run ({claim}); everything else here is exploratory."
    trials = (case.findings.significance or {}).get("trials")
    if not trials:
        warning = "Whoever changes it after seeing results must discount them: nothing here checks that."
        return _reason("Claim", f"{declared} {warning}")
    claims, count = list(trials.get("claims", ())) or [case.model], trials["configurations"]
    ever = f"The ledger holds {count:,} configurations of this head; declared so far: {listed(claims)}."
    changed = " A claim changed after seeing results says less." if len(claims) > 1 else ""
    return _reason("Claim", f"{declared} {ever}{changed}")
