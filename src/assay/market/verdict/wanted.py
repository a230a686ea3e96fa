"""Levels somebody hopes for: PASS, WARNING or FAIL, held against naive forecasts, and what they would take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.market.errors import ConfigurationError
from assay.market.evaluation import VOLATILITY_ONLY
from assay.market.trading import BUY_AND_HOLD
from assay.market.verdict.attainable import (
    ic_for_classes,
    ic_for_direction,
    ic_for_error,
    ic_for_r2,
    ic_for_sharpe,
)
from assay.market.verdict.findings import UNDEFINED, Backtest, Case, Facts, above_zero, difference_to, strongest
from assay.market.verdict.rule import Measure, VerdictRule
from assay.market.verdict.words import USUAL, side_of_zero, told

Status = Literal["PASS", "WARNING", "FAIL"]

COIN = "a coin"
COVERAGE = {  # of directional accuracies, which a coin reaches half of the time: the share of rows they speak about
    "directional_accuracy_tradable": "coverage_tradable",
    "directional_accuracy_on_moves": "coverage_on_moves",
    "directional_accuracy": "coverage",
}
SQUARED = {"rmse": False, "mae": False, "mse": True}
MEASURES: dict[Measure, tuple[str, str]] = {  # label and unit; more is better for all of them
    "sharpe": ("Sharpe", "ratio"),
    "max_drawdown": ("Max drawdown", "share"),
    "win_rate": ("Win rate", "share"),
    "annual_return": ("Annual return", "share"),
}


@dataclass(frozen=True)
class _Wanted:
    """A level somebody hopes for."""

    metric: str
    level: float


@dataclass(frozen=True)
class _Gain:
    """Gain over a rival, positive is better; undefined without one."""

    estimate: Facts
    rival: str | None


def check_wanted(evaluation: Facts, rule: VerdictRule) -> None:
    """Make sure that every level is wanted of a metric that there is.

    Raises:
        ConfigurationError: One is not.
    """
    unknown = [wanted.metric for wanted in _asked(evaluation, rule) if wanted.metric not in evaluation["metric_info"]]
    if unknown:
        raise ConfigurationError(
            f"verdict.wanted.{evaluation['kind']}",
            "names metrics that do not exist",
            expected=f"some of {', '.join(evaluation['metric_info'])}",
            found=", ".join(unknown),
            do="correct the names, or leave these levels out",
        )


def judge_wanted(case: Case) -> list[dict[str, Any]]:
    """Hold every wanted level against what was found; those after costs only where there is a backtest."""
    evaluation, rule = case.evaluation, case.rule
    hoped = rule.wanted_performance.items() if case.backtest else ()
    return [
        *(_judge(case, wanted) for wanted in _asked(evaluation, rule)),
        *(_judge_performance(case, measure, level) for measure, level in hoped),
    ]


def _asked(evaluation: Facts, rule: VerdictRule) -> list[_Wanted]:
    return [_Wanted(metric, level) for metric, level in rule.wanted.get(evaluation["kind"], {}).items()]


def _judge(case: Case, wanted: _Wanted) -> dict[str, Any]:
    """Hold one wanted level against what was found, and against what a naive forecast reaches."""
    evaluation, model, rule = case.evaluation, case.model, case.rule
    metric, level = wanted.metric, wanted.level
    info = evaluation["metric_info"][metric]
    found = evaluation["models"][model]["metrics"][metric]
    naive = [name for name in rule.naive if name in evaluation["models"] and name != model]
    reached = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in naive}
    if metric in COVERAGE:
        reached[COIN] = 0.5
    trivial = [name for name, value in reached.items() if _meets(value, level, info["better"])]
    gain = _gain(evaluation, model, metric, (*naive, VOLATILITY_ONLY.format(model)))
    coverage = _coverage(evaluation, model, metric)
    skilled = above_zero(gain.estimate) and (coverage is None or coverage >= rule.min_coverage)
    status = _status(met=_meets(found["value"], level, info["better"]), skilled=skilled, trivial=bool(trivial))
    notes = [*_on_coverage(coverage), *_notes(metric, found, gain, trivial), *_takes(evaluation, wanted, naive)]
    asked = {"name": info["label"], "metric": metric, "unit": info["unit"], "wanted": level}
    return _entry(asked, found, status=status, trivial=bool(trivial), note=" ".join(notes))


def _entry(asked: dict[str, Any], found: Facts, *, status: Status, trivial: bool, note: str) -> dict[str, Any]:
    seen = {"found": found["value"], "low": found["low"], "high": found["high"]}
    return asked | seen | {"status": status, "trivial": trivial, "note": note}


def _coverage(evaluation: Facts, model: str, metric: str) -> float | None:
    """Share of the rows that a directional accuracy speaks about."""
    name = COVERAGE.get(metric)
    found = evaluation["models"][model]["metrics"].get(name) or UNDEFINED
    return None if found["value"] is None else float(found["value"])


def _on_coverage(coverage: float | None) -> list[str]:
    return [] if coverage is None else [f"On {coverage:.1%} of the rows."]


def _notes(metric: str, found: Facts, gain: _Gain, trivial: list[str]) -> Iterable[str]:
    skill = gain.estimate
    if found["value"] is None:
        yield "Undefined: no call was made." if metric in COVERAGE else "Undefined."
    elif skill["value"] is not None:
        yield f"Against {gain.rival}: {told(skill, '+z.4f')}; {side_of_zero(skill)}."
    else:
        yield "There is no naive forecast to hold it against."
    if trivial:
        yield f"Trivial: {', '.join(trivial)} reaches this level too."


def _takes(evaluation: Facts, wanted: _Wanted, naive: list[str]) -> Iterable[str]:
    """The IC that a level takes, where it can be said."""
    metric, level = wanted.metric, wanted.level
    if metric in COVERAGE:
        yield f"On all bars this level takes an IC of {ic_for_direction(level):.2f}; {USUAL}."
    if metric in ("r2", "r2_vs_zero"):
        yield f"This level takes an IC of {ic_for_r2(level):.2f}; {USUAL}."
    if metric in SQUARED and (rival := strongest(evaluation, naive, metric)):
        error = evaluation["models"][rival]["metrics"][metric]["value"]
        yield f"This level takes an IC of {ic_for_error(level, error, squared=SQUARED[metric]):.2f}; {USUAL}."
    if shares := evaluation.get("class_shares"):
        ic = ic_for_classes(metric, level, shares)
        if ic == 0.0:
            yield "With classes of these shares it takes no skill."
        elif ic is not None:
            yield f"With classes of these shares, and volatility unknown, it takes an IC of {ic:.2f}; {USUAL}."


def _judge_performance(case: Case, measure: Measure, level: float) -> dict[str, Any]:
    """Hold a level after costs against what was earned; the naive way to reach it is to buy and hold."""
    backtest = case.backtest
    if backtest is None:
        raise ValueError("a level after costs is judged by a backtest")
    label, unit = MEASURES[measure]
    found, held = (_as_estimate(book[measure]) for book in (backtest.judged, backtest.held))
    timing = backtest.judged["timing_sharpe"]
    trivial = _meets(held["value"], level, "higher")
    status = _status(met=_meets(found["value"], level, "higher"), skilled=above_zero(timing), trivial=trivial)
    notes = [*_performance_notes((held["value"], unit), timing, trivial=trivial), *_takes_money(case, measure, level)]
    asked = {"name": f"{label} after costs", "metric": measure, "unit": unit, "wanted": level}
    return _entry(asked, found, status=status, trivial=trivial, note=" ".join(notes))


def _performance_notes(held: tuple[float | None, str], timing: Facts, *, trivial: bool) -> Iterable[str]:
    value, unit = held
    if value is not None:
        yield f"{BUY_AND_HOLD.capitalize()}: {f'{value:.1%}' if unit == 'share' else f'{value:.2f}'}."
    if timing["value"] is not None:
        yield f"Sharpe without drift {told(timing, 'z.2f')}: {side_of_zero(timing)}."
    if trivial:
        yield f"Trivial: {BUY_AND_HOLD} reaches this level too."


def _takes_money(case: Case, measure: Measure, level: float) -> Iterable[str]:
    """The IC that a level after costs takes before costs, for a book that bets every independent row."""
    if measure == "win_rate":
        yield f"For the sign of every bar this takes an IC of {ic_for_direction(level):.2f}, before costs; {USUAL}."
    ratio = level if measure == "sharpe" else _as_sharpe(case.backtest, level) if measure == "annual_return" else None
    bets = _bets_per_year(case)
    if ratio is None or not bets:
        return
    at = "" if measure == "sharpe" else f"At its volatility this is a Sharpe ratio of {ratio:.2f}. "
    ic = ic_for_sharpe(ratio, bets)
    yield f"{at}With {bets:,.0f} independent bets a year it takes an IC of {ic:.2f}, before costs; {USUAL}."


def _as_sharpe(backtest: Backtest | None, annual_return: float) -> float | None:
    volatility = backtest.judged.get("annual_volatility") if backtest else None
    return annual_return / volatility if volatility else None


def _bets_per_year(case: Case) -> float | None:
    """Independent rows a year."""
    return case.evaluation["effective_rows"] / case.years if case.years > 0 else None


def _as_estimate(value: Facts | float | None) -> Facts:
    return value if isinstance(value, Mapping) else {**UNDEFINED, "value": value}


def _status(*, met: bool, skilled: bool, trivial: bool) -> Status:
    return "FAIL" if not met else "PASS" if skilled and not trivial else "WARNING"


def _meets(value: float | None, level: float, better: str) -> bool:
    return value is not None and (value > level if better == "higher" else value < level)


def _gain(evaluation: Facts, model: str, metric: str, rivals: Iterable[str]) -> _Gain:
    """Gain over the strongest of the rivals; over a coin when none of them beats it."""
    mine, info = evaluation["models"][model], evaluation["metric_info"][metric]
    rival = strongest(evaluation, [name for name in rivals if name in mine["versus"]], metric)
    beaten = rival is None or evaluation["models"][rival]["metrics"][metric]["value"] <= 0.5
    if metric in COVERAGE and beaten:
        found = mine["metrics"][metric]
        return _Gain({key: value if value is None else value - 0.5 for key, value in found.items()}, COIN)
    if rival is None:
        return _Gain(UNDEFINED, None)
    gain = difference_to(evaluation, model, rival, metric)
    if info["better"] == "higher" or gain["value"] is None:
        return _Gain(gain, rival)
    turned = {"value": gain["value"], "low": gain["high"], "high": gain["low"]}
    return _Gain({key: value if value is None else -value for key, value in turned.items()}, rival)
