"""What the evidence amounts to, by written rules: no evidence, weak, evidence or implausible.

The rules are about direction only. Knowing how far a market will move (volatility skill) raises accuracy, MCC and log
loss without knowing where to, so it is told under its own name and never counts.

1. The interval of the primary's information coefficient (IC) lies above 0.
2. The intervals of the net Sharpe ratio and of what is left of it without drift both lie above 0. A book that is long
   on a rising market earns its drift without knowing anything, and good timing can still lose money.
3. Both: *evidence*. One: *weak*. None: *no evidence*.
4. A claim on more than two entities that nobody checked for survivorship is at most *weak*.
5. A larger IC or Sharpe ratio than markets give, and not by chance: *implausible*, whatever else holds.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from assay.market.errors import ConfigurationError
from assay.market.evaluation import DIRECTION, VOLATILITY_ONLY
from assay.market.parameters import Parameters
from assay.market.primary import DIRECTION_METRICS, Primary
from assay.market.significance import rows_needed
from assay.market.trading import BUY_AND_HOLD
from assay.market.workload import Kind

Level = Literal["no evidence", "weak", "evidence", "implausible"]
Measure = Literal["sharpe", "max_drawdown", "win_rate", "annual_return"]
Facts = Mapping[str, Any]
Reason = dict[str, str]

COIN = "a coin"
COVERAGE = {
    "directional_accuracy_tradable": "coverage_tradable",
    "directional_accuracy_on_moves": "coverage_on_moves",
    "directional_accuracy": "coverage",
}
TOSSED_BY_A_COIN = ("directional_accuracy_tradable", "directional_accuracy_on_moves", "directional_accuracy")
GOOD_ICS = (0.02, 0.05)
USUAL = "usual ones are .02 to .10"
FEW_ENTITIES = 2  # a named index or two is no selection among many
UNDEFINED = {"value": None, "low": None, "high": None}
MEASURES: dict[Measure, tuple[str, str]] = {  # label and unit; more is better for all of them
    "sharpe": ("Sharpe", "ratio"),
    "max_drawdown": ("Max drawdown", "share"),
    "win_rate": ("Win rate", "share"),
    "annual_return": ("Annual return", "share"),
}


class VerdictRule(Parameters):
    """Where the verdict draws its lines.

    Attributes:
        max_plausible_ic: A larger IC, either sign, is taken for a leak; usual ones are .02 to .10.
        max_plausible_sharpe: A larger net Sharpe ratio per year is taken for a leak.
        naive: Baselines that know nothing about the future; a level they reach too is trivial.
        min_coverage: A directional accuracy on a smaller share of the rows is at most a WARNING: few calls are easy.
        universe: ``fixed`` when the entities were named without knowing how they would fare; ``unverified`` when they
            are those that exist today: a claim on more than two of them is at most weak.
        wanted: Levels somebody hopes for, per kind of head and metric.
        wanted_performance: Levels somebody hopes for after costs; a drawdown is a negative share.
    """

    max_plausible_ic: float = Field(default=0.15, gt=0.0, lt=1.0)
    max_plausible_sharpe: float = Field(default=5.0, gt=0.0)
    naive: tuple[str, ...] = ("class_prior", "zero", "drift", "last_sign")
    min_coverage: float = Field(default=0.2, ge=0.0, le=1.0)
    universe: Literal["fixed", "unverified"] = "unverified"
    wanted: dict[Kind, dict[str, float]] = Field(default_factory=dict)
    wanted_performance: dict[Measure, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Backtest:
    """Net performance of the judged model, with ``sharpe`` and ``timing_sharpe`` as ``{value, low, high}``.

    Attributes:
        judged: Performance of the primary's model.
        held: Performance of buying and holding the same entities over the same time.
    """

    judged: Facts
    held: Facts


@dataclass(frozen=True)
class _Found:
    """The estimates that decide: the primary's IC, its Sharpe ratio and the one without drift."""

    ic: Facts
    sharpe: Facts
    timing: Facts

    @property
    def profitable(self) -> bool:
        """Whether there is a profit after costs, and one that is not drift."""
        return _above_zero(self.sharpe) and _above_zero(self.timing)

    @property
    def steps(self) -> int:
        """How many of the two conditions hold."""
        return _above_zero(self.ic) + self.profitable


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


def verdict(evaluation: Facts, backtest: Backtest | None, *, primary: Primary, rule: VerdictRule) -> dict[str, Any]:
    """Judge the primary claim.

    Args:
        evaluation: Result of ``evaluate`` for the primary's head.
        backtest: What the primary's model earned; None without a backtest.
        primary: The declared claim.
        rule: Lines and wanted levels.

    Returns:
        ``level``, ``headline`` (one sentence), ``reasons`` (each ``about``, a word or two, and what is ``said``) and
        ``wanted`` (one entry per wanted level: ``name, metric, unit, wanted, found, low, high, status, trivial,
        note``).

    Raises:
        ConfigurationError: The primary's model or metric is not in the evaluation, the metric is not direction, or a
            level is wanted of a metric that does not exist.
    """
    _check(evaluation, primary)
    _check_wanted(evaluation, rule)
    ic = evaluation["models"][primary.model]["metrics"][primary.metric]
    earned = (backtest.judged["sharpe"], backtest.judged["timing_sharpe"]) if backtest else (UNDEFINED, UNDEFINED)
    found = _Found(ic, *earned)
    capped = rule.universe == "unverified" and evaluation["entities"] > FEW_ENTITIES
    level = _level(found, rule, capped=capped)
    return {
        "level": level,
        "headline": _headline(level, primary, evaluation, found),
        "reasons": [
            _on_ic(evaluation, primary, ic),
            _on_baselines(evaluation, primary),
            _on_profit(found, backtest),
            *_on_plausibility(found, rule),
            *_on_volatility(evaluation, primary),
            *([_on_universe(evaluation)] if capped else []),
            *([_on_rows(evaluation)] if found.steps < 2 and level != "implausible" else []),
            _on_the_claim(evaluation, primary),
        ],
        "wanted": [
            *(_judge(evaluation, primary.model, wanted, rule) for wanted in _asked(evaluation, rule)),
            *(_judge_performance(backtest, name, level) for name, level in rule.wanted_performance.items() if backtest),
        ],
    }


def _check(evaluation: Facts, primary: Primary) -> None:
    models = [name for name, told in evaluation["models"].items() if told["role"] != "volatility_only"]
    if primary.model not in models:
        raise ConfigurationError(
            "primary.model",
            "was not evaluated",
            expected=f"one of {', '.join(models)}",
            found=primary.model,
            do="name a model of the primary's head",
        )
    allowed = [name for name in DIRECTION_METRICS if name in evaluation["metric_info"]]
    if primary.metric not in allowed:
        raise ConfigurationError(
            "primary.metric",
            f"does not measure direction on a {evaluation['kind']} head",
            expected=f"one of {', '.join(allowed)}",
            found=primary.metric,
            do="choose one of these; other metrics also reward knowing volatility",
        )


def _check_wanted(evaluation: Facts, rule: VerdictRule) -> None:
    unknown = [wanted.metric for wanted in _asked(evaluation, rule) if wanted.metric not in evaluation["metric_info"]]
    if unknown:
        raise ConfigurationError(
            f"verdict.wanted.{evaluation['kind']}",
            "names metrics that do not exist",
            expected=f"some of {', '.join(evaluation['metric_info'])}",
            found=", ".join(unknown),
            do="correct the names, or leave these levels out",
        )


def _asked(evaluation: Facts, rule: VerdictRule) -> list[_Wanted]:
    return [_Wanted(metric, level) for metric, level in rule.wanted.get(evaluation["kind"], {}).items()]


def _level(found: _Found, rule: VerdictRule, *, capped: bool) -> Level:
    if _too_good(found.ic, rule.max_plausible_ic) or _too_good(found.sharpe, rule.max_plausible_sharpe):
        return "implausible"
    reached: tuple[Level, ...] = ("no evidence", "weak", "weak" if capped else "evidence")
    return reached[found.steps]


def _above_zero(estimate: Facts) -> bool:
    return estimate["low"] is not None and estimate["low"] > 0.0


def _too_good(estimate: Facts, limit: float) -> bool:
    """Whether it is past the limit on either side, and its interval does not say that this may be chance."""
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    by_chance = low is not None and high is not None and low <= 0.0 <= high
    return value is not None and abs(value) > limit and not by_chance


def _headline(level: Level, primary: Primary, evaluation: Facts, found: _Found) -> str:
    name, ahead = primary.model, _bars(evaluation["horizon"])
    if level == "implausible":
        return f"{name} looks too good to be true: treat this as a leak until proved otherwise."
    if level == "evidence":
        return f"{name} called the direction of the next {ahead} better than chance and profited from it after costs."
    if level == "no evidence":
        return f"There is no evidence that {name} knows which way the next {ahead} will go: do not trade on it."
    if found.steps == 2:
        return f"A hint, not proof: {name} called the direction and profited, but only on entities that exist today."
    if _above_zero(found.ic):
        return f"A hint, not proof: {name} leans the right way over the next {ahead}, but after costs it may be luck."
    return (
        f"A hint, not proof: {name} earned more than drift after costs, but its scores do not line up with the returns."
    )


def _reason(about: str, said: str) -> Reason:
    return {"about": about, "said": said}


def _on_ic(evaluation: Facts, primary: Primary, ic: Facts) -> Reason:
    rows = f"{evaluation['rows']:,} rows, worth about {evaluation['effective_rows']:,.0f} independent ones"
    about, label = "Direction", evaluation["metric_info"][primary.metric]["label"]
    if ic["value"] is None:
        return _reason(about, f"The {label} of {primary.model} is undefined on {rows}: its forecast never changes.")
    t = evaluation["skill"][primary.model]["direction"]["t_hac"]
    told = f", overlap-aware t {t:.1f}" if t is not None and primary.metric == DIRECTION[evaluation["kind"]] else ""
    found = f"{_estimate(ic, '+z.3f')} ({100 * evaluation['confidence']:g} % interval{told})"
    return _reason(about, f"The {label} of {primary.model} is {found} on {rows}; {_side_of_zero(ic)}.")


def _on_baselines(evaluation: Facts, primary: Primary) -> Reason:
    about, metric, versus = "Baselines", primary.metric, evaluation["models"][primary.model]["versus"]
    baselines = [name for name in versus if evaluation["models"][name]["role"] == "baseline"]
    rival = _strongest(evaluation, baselines, metric)
    if rival is None:
        return _reason(about, "None of them has a direction to hold this against; the comparison is with 0.")
    reached = f"The strongest, {rival}, reaches {_estimate(evaluation['models'][rival]['metrics'][metric], '+z.3f')}"
    difference = {**versus[rival][metric], "value": versus[rival][metric]["difference"]}
    if difference["value"] is None:
        return _reason(about, f"{reached}.")
    return _reason(
        about, f"{reached}; the difference is {_estimate(difference, '+z.3f')}, {_side_of_zero(difference)}."
    )


def _on_profit(found: _Found, backtest: Backtest | None) -> Reason:
    about, sharpe, timing = "Profit", found.sharpe, found.timing
    if backtest is None:
        return _reason(about, "There is no backtest, so nothing is known about profit after costs.")
    if sharpe["value"] is None:
        return _reason(about, "The net Sharpe ratio after the stated costs is undefined, no position was taken.")
    exposure = f"with {backtest.judged['exposure']:.1%} of the capital at work on average"
    net = f"The net Sharpe ratio after the stated costs is {_estimate(sharpe, 'z.2f')} a year, {exposure}"
    if timing["value"] is None:
        return _reason(about, f"{net}; without drift nothing is left to measure.")
    return _reason(about, f"{net}; without drift it is {_estimate(timing, 'z.2f')}: {_side_of_zero(timing)}.")


def _on_plausibility(found: _Found, rule: VerdictRule) -> list[Reason]:
    alarms = []
    if _too_good(found.ic, rule.max_plausible_ic):
        alarms.append(
            f"An IC beyond {rule.max_plausible_ic:g} is far more than real markets give ({USUAL}); "
            "look for a feature that knows the future."
        )
    if _too_good(found.sharpe, rule.max_plausible_sharpe):
        alarms.append(
            f"A net Sharpe ratio beyond {rule.max_plausible_sharpe:g} a year is hardly seen in real trading; "
            "look at the fills and the costs first."
        )
    return [_reason("Alarm", said) for said in alarms]


def _on_volatility(evaluation: Facts, primary: Primary) -> list[Reason]:
    gain = evaluation["skill"][primary.model]["volatility"].get("accuracy")
    if not gain or gain["value"] is None:
        return []
    points = {key: value if value is None else 100.0 * value for key, value in gain.items()}
    said = (
        f"With its direction taken away {primary.model} gains {_estimate(points, '+z.1f')} points of accuracy over the "
        f"class prior; {_side_of_zero(gain)}."
    )
    return [_reason("Volatility skill, no evidence of direction", said)]


def _on_universe(evaluation: Facts) -> Reason:
    return _reason(
        "Survivorship",
        f"The {evaluation['entities']} entities are those that exist today, and nobody checked which could have been "
        "chosen back then: the verdict is at most weak.",
    )


def _on_rows(evaluation: Facts) -> Reason:
    needs = "; ".join(_needed(evaluation, size) for size in sorted(GOOD_ICS, reverse=True))
    return _reason("What would settle it", f"With 80 % power at a one-sided 5 %: {needs}.")


def _on_the_claim(evaluation: Facts, primary: Primary) -> Reason:
    label = evaluation["metric_info"][primary.metric]["label"]
    claim = f"{primary.head}, {primary.model}, {label}"
    said = (
        f"One claim is declared in the configuration of this run ({claim}); everything else here is exploratory. "
        "Whoever changes it after seeing results must discount them: nothing here checks that."
    )
    return _reason("Claim", said)


def _needed(evaluation: Facts, size: float) -> str:
    here = evaluation["timestamps"]
    timestamps = math.ceil(rows_needed(size) * here / evaluation["effective_rows"])
    if timestamps <= here:
        return f"an IC of {size:.2f} would show on {timestamps:,} timestamps, which are here"
    first, last = (datetime.fromisoformat(moment) for moment in evaluation["span"])
    years = (timestamps / here - 1.0) * (last - first).days / 365.25
    return f"an IC of {size:.2f} would show on {timestamps:,} timestamps, about {years:,.0f} more years of them"


def _judge(evaluation: Facts, model: str, wanted: _Wanted, rule: VerdictRule) -> dict[str, Any]:
    """Hold one wanted level against what was found, and against what a naive forecast reaches."""
    metric, level = wanted.metric, wanted.level
    info = evaluation["metric_info"][metric]
    found = evaluation["models"][model]["metrics"][metric]
    naive = [name for name in rule.naive if name in evaluation["models"] and name != model]
    reached = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in naive}
    if metric in TOSSED_BY_A_COIN:
        reached[COIN] = 0.5
    trivial = [name for name, value in reached.items() if _meets(value, level, info["better"])]
    gain = _gain(evaluation, model, metric, (*naive, VOLATILITY_ONLY.format(model)))
    met = _meets(found["value"], level, info["better"])
    coverage = _coverage(evaluation, model, metric)
    skilled = _above_zero(gain.estimate) and (coverage is None or coverage >= rule.min_coverage)
    return {
        "name": info["label"],
        "metric": metric,
        "unit": info["unit"],
        "wanted": level,
        "found": found["value"],
        "low": found["low"],
        "high": found["high"],
        "status": _status(met=met, skilled=skilled, trivial=bool(trivial)),
        "trivial": bool(trivial),
        "note": " ".join([*_on_coverage(coverage), *_notes(wanted, found, gain, trivial)]),
    }


def _coverage(evaluation: Facts, model: str, metric: str) -> float | None:
    """Share of the rows that a directional accuracy speaks about."""
    name = COVERAGE.get(metric)
    found = evaluation["models"][model]["metrics"].get(name) or UNDEFINED
    return None if found["value"] is None else float(found["value"])


def _on_coverage(coverage: float | None) -> list[str]:
    return [] if coverage is None else [f"On {coverage:.1%} of the rows."]


def _judge_performance(backtest: Backtest, measure: Measure, level: float) -> dict[str, Any]:
    """Hold a level after costs against what was earned; the naive way to reach it is to buy and hold."""
    label, unit = MEASURES[measure]
    found, held = (_as_estimate(book[measure]) for book in (backtest.judged, backtest.held))
    timing = backtest.judged["timing_sharpe"]
    trivial = _meets(held["value"], level, "higher")
    met = _meets(found["value"], level, "higher")
    return {
        "name": f"{label} after costs",
        "metric": measure,
        "unit": unit,
        "wanted": level,
        "found": found["value"],
        "low": found["low"],
        "high": found["high"],
        "status": _status(met=met, skilled=_above_zero(timing), trivial=trivial),
        "trivial": trivial,
        "note": " ".join(_performance_notes((held["value"], unit), timing, trivial=trivial)),
    }


def _performance_notes(held: tuple[float | None, str], timing: Facts, *, trivial: bool) -> Iterable[str]:
    value, unit = held
    if value is not None:
        yield f"{BUY_AND_HOLD.capitalize()}: {f'{value:.1%}' if unit == 'share' else f'{value:.2f}'}."
    if timing["value"] is not None:
        yield f"Sharpe without drift {_estimate(timing, 'z.2f')}: {_side_of_zero(timing)}."
    if trivial:
        yield f"Trivial: {BUY_AND_HOLD} reaches this level too."


def _as_estimate(value: Facts | float | None) -> Facts:
    return value if isinstance(value, Mapping) else {**UNDEFINED, "value": value}


def _status(*, met: bool, skilled: bool, trivial: bool) -> Literal["PASS", "WARNING", "FAIL"]:
    return "FAIL" if not met else "PASS" if skilled and not trivial else "WARNING"


def _meets(value: float | None, level: float, better: str) -> bool:
    return value is not None and (value > level if better == "higher" else value < level)


def _strongest(evaluation: Facts, rivals: Iterable[str], metric: str) -> str | None:
    sign = 1.0 if evaluation["metric_info"][metric]["better"] == "higher" else -1.0
    values = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in rivals}
    return max((name for name, v in values.items() if v is not None), key=lambda n: sign * values[n], default=None)


def _gain(evaluation: Facts, model: str, metric: str, rivals: Iterable[str]) -> _Gain:
    """Gain over the strongest of the rivals; over a coin when none of them beats it."""
    told, info = evaluation["models"][model], evaluation["metric_info"][metric]
    rival = _strongest(evaluation, [name for name in rivals if name in told["versus"]], metric)
    beaten = rival is None or evaluation["models"][rival]["metrics"][metric]["value"] <= 0.5
    if metric in TOSSED_BY_A_COIN and beaten:
        found = told["metrics"][metric]
        return _Gain({key: value if value is None else value - 0.5 for key, value in found.items()}, COIN)
    if rival is None:
        return _Gain(UNDEFINED, None)
    entry = told["versus"][rival][metric]
    low, high = entry["low"], entry["high"]
    if info["better"] == "higher" or entry["difference"] is None:
        return _Gain({"value": entry["difference"], "low": low, "high": high}, rival)
    turned = {"low": high, "high": low}
    return _Gain({"value": -entry["difference"], **{k: v if v is None else -v for k, v in turned.items()}}, rival)


def _notes(wanted: _Wanted, found: Facts, gain: _Gain, trivial: list[str]) -> Iterable[str]:
    metric, level, skill = wanted.metric, wanted.level, gain.estimate
    if found["value"] is None:
        yield "Undefined: no call was made." if metric in TOSSED_BY_A_COIN else "Undefined."
    elif skill["value"] is not None:
        yield f"Against {gain.rival}: {_estimate(skill, '+z.4f')}; {_side_of_zero(skill)}."
    else:
        yield "There is no naive forecast to hold it against."
    if trivial:
        yield f"Trivial: {', '.join(trivial)} reaches this level too."
    if metric in TOSSED_BY_A_COIN:
        yield f"On all bars this level takes an IC of {math.sin(math.pi * (level - 0.5)):.2f}; {USUAL}."
    if metric == "r2":
        yield f"This level takes an IC of {math.sqrt(level):.2f}; {USUAL}."


def _estimate(estimate: Facts, form: str) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:{form}} (no interval)"
    return f"{estimate['value']:{form}} [{estimate['low']:{form}}, {estimate['high']:{form}}]"


def _side_of_zero(estimate: Facts) -> str:
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return "it has no interval"
    if low > 0.0:
        return "the interval lies above 0"
    return "the interval lies below 0" if high < 0.0 else "the interval includes 0"


def _bars(count: int) -> str:
    return "bar" if count == 1 else f"{count} bars"
