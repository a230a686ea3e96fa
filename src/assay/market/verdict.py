"""What the evidence amounts to, by written rules: no evidence, weak, evidence or implausible.

The rules are about direction only. Knowing how far a market will move (volatility skill) raises accuracy, MCC and log
loss without knowing where to, so it is told under its own name and never counts.

1. The interval of the primary's information coefficient (IC) lies above 0.
2. The interval of the timing Sharpe ratio lies above 0: that of the net return without drift. A book that is long on a
   rising market earns its drift without knowing anything.
3. Both: *evidence*. One: *weak*. None: *no evidence*.
4. A larger IC or Sharpe ratio than markets give, and not by chance: *implausible*, whatever else holds.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from assay.market.errors import ConfigurationError
from assay.market.evaluation import DIRECTION, VOLATILITY_ONLY
from assay.market.parameters import Parameters
from assay.market.significance import rows_needed
from assay.market.workload import Kind

Level = Literal["no evidence", "weak", "evidence", "implausible"]
Facts = Mapping[str, Any]

DIRECTION_METRICS = ("direction_ic", "direction_rank_ic", "ic", "rank_ic")
COIN = "a coin"
TOSSED_BY_A_COIN = ("directional_accuracy_tradable", "directional_accuracy_on_moves", "directional_accuracy")
GOOD_ICS = (0.02, 0.05)
USUAL = "usual ones are .02 to .10"


class Primary(Parameters):
    """The one claim declared before the run; everything else is exploratory.

    Attributes:
        head: Head that is judged.
        model: Model that is judged.
        metric: How its direction is scored: ``direction_ic``, ``direction_rank_ic``, ``ic`` or ``rank_ic``.
    """

    head: str
    model: str
    metric: str = "direction_ic"


def _wanted() -> dict[Kind, dict[str, float]]:
    return {
        "classification": {
            "accuracy": 0.55,
            "directional_accuracy_tradable": 0.60,
            "directional_accuracy_on_moves": 0.60,
        },
        "regression": {"directional_accuracy": 0.58, "r2": 0.10},
    }


class VerdictRule(Parameters):
    """Where the verdict draws its lines.

    Attributes:
        max_plausible_ic: A larger IC, either sign, is taken for a leak; usual ones are .02 to .10.
        max_plausible_sharpe: A larger net Sharpe ratio per year is taken for a leak.
        naive: Baselines that know nothing about the future; a level they reach too is trivial.
        wanted: Levels somebody hopes for, per kind of head and metric.
    """

    max_plausible_ic: float = Field(default=0.15, gt=0.0, lt=1.0)
    max_plausible_sharpe: float = Field(default=5.0, gt=0.0)
    naive: tuple[str, ...] = ("class_prior", "zero", "drift", "last_sign")
    wanted: dict[Kind, dict[str, float]] = Field(default_factory=_wanted)


def verdict(
    evaluation: Facts, performance: Facts | None, *, primary: Primary, rule: VerdictRule | None = None
) -> dict[str, Any]:
    """Judge the primary claim.

    Args:
        evaluation: Result of ``evaluate`` for the primary's head.
        performance: Net result of the primary's backtest, with ``sharpe`` and ``timing_sharpe: {value, low, high}``;
            None without a backtest.
        primary: The declared claim.
        rule: Lines and wanted levels; the defaults when None.

    Returns:
        ``level``, ``headline`` (one sentence), ``reasons`` (sentences) and ``wanted`` (one entry per wanted level:
        ``name, metric, wanted, found, low, high, status, trivial, note``).

    Raises:
        ConfigurationError: The primary's model or metric is not in the evaluation, or the metric is not direction.
    """
    rule = rule or VerdictRule()
    _check(evaluation, primary)
    ic = evaluation["models"][primary.model]["metrics"][primary.metric]
    sharpe, timing = ((performance or {}).get(name) or {} for name in ("sharpe", "timing_sharpe"))
    level = _level(ic, (sharpe, timing), rule)
    return {
        "level": level,
        "headline": _headline(level, primary, evaluation, ic),
        "reasons": [
            _on_ic(evaluation, primary, ic),
            _on_baselines(evaluation, primary),
            _on_profit(sharpe, timing, performance),
            *_on_plausibility(ic, sharpe, rule),
            *_on_volatility(evaluation, primary),
            *_on_rows(evaluation, level),
            f"These rules are a first set. One claim was declared beforehand ({primary.head}, {primary.model}, "
            f"{evaluation['metric_info'][primary.metric]['label']}); everything else here is exploratory.",
        ],
        "wanted": [
            _judge(evaluation, primary.model, (metric, level_wanted), rule)
            for metric, level_wanted in rule.wanted.get(evaluation["kind"], {}).items()
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


def _level(ic: Facts, profit: tuple[Facts, Facts], rule: VerdictRule) -> Level:
    sharpe, timing = profit
    if _too_good(ic, rule.max_plausible_ic) or _too_good(sharpe, rule.max_plausible_sharpe):
        return "implausible"
    return ("no evidence", "weak", "evidence")[_above_zero(ic) + _above_zero(timing)]


def _above_zero(estimate: Facts) -> bool:
    return estimate.get("low") is not None and estimate["low"] > 0.0


def _too_good(estimate: Facts, limit: float) -> bool:
    """Whether it is past the limit on either side, and its interval does not say that this may be chance."""
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    by_chance = low is not None and high is not None and low <= 0.0 <= high
    return value is not None and abs(value) > limit and not by_chance


def _headline(level: Level, primary: Primary, evaluation: Facts, ic: Facts) -> str:
    name, ahead = primary.model, _bars(evaluation["horizon"])
    if level == "implausible":
        return f"{name} looks too good to be true: treat this as a leak until proved otherwise."
    if level == "evidence":
        return f"{name} called the direction of the next {ahead} better than chance and profited from it after costs."
    if level == "no evidence":
        return f"There is no evidence that {name} knows which way the next {ahead} will go: do not trade on it."
    if _above_zero(ic):
        return f"A hint, not proof: {name} leans the right way over the next {ahead}, but after costs it may be luck."
    return f"A hint, not proof: {name} timed its positions well, but its scores do not line up with the returns."


def _on_ic(evaluation: Facts, primary: Primary, ic: Facts) -> str:
    rows = f"{evaluation['rows']:,} rows, worth about {evaluation['effective_rows']:,.0f} independent ones"
    label = evaluation["metric_info"][primary.metric]["label"]
    if ic["value"] is None:
        return f"Direction: the {label} of {primary.model} is undefined on {rows}: its forecast never changes."
    t = evaluation["skill"][primary.model]["direction"]["t_hac"]
    told = f", overlap-aware t {t:.1f}" if t is not None and primary.metric == DIRECTION[evaluation["kind"]] else ""
    found = f"{_estimate(ic, '+.3f')} ({100 * evaluation['confidence']:g} % interval{told})"
    return f"Direction: the {label} of {primary.model} is {found} on {rows}; {_side_of_zero(ic)}."


def _on_baselines(evaluation: Facts, primary: Primary) -> str:
    metric, versus = primary.metric, evaluation["models"][primary.model]["versus"]
    baselines = [name for name in versus if evaluation["models"][name]["role"] == "baseline"]
    rival = _strongest(evaluation, baselines, metric)
    if rival is None:
        return "Baselines: none of them has a direction to hold this against; the comparison is with 0."
    theirs = evaluation["models"][rival]["metrics"][metric]
    difference = {**versus[rival][metric], "value": versus[rival][metric]["difference"]}
    if difference["value"] is None:
        return f"Baselines: the strongest, {rival}, reaches {_estimate(theirs, '+.3f')}."
    return (
        f"Baselines: the strongest, {rival}, reaches {_estimate(theirs, '+.3f')}; the difference is "
        f"{_estimate(difference, '+.3f')}, {_side_of_zero(difference)}."
    )


def _on_profit(sharpe: Facts, timing: Facts, performance: Facts | None) -> str:
    if performance is None:
        return "Profit: there is no backtest, so nothing is known about profit after costs."
    if sharpe.get("value") is None:
        return "Profit: the net Sharpe ratio after the stated costs is undefined, no position was taken."
    net = f"Profit: the net Sharpe ratio after the stated costs is {_estimate(sharpe, '.2f')} a year"
    if timing.get("value") is None:
        return f"{net}; without drift nothing is left to measure."
    return f"{net}; without drift it is {_estimate(timing, '.2f')}: {_side_of_zero(timing)}."


def _on_plausibility(ic: Facts, sharpe: Facts, rule: VerdictRule) -> list[str]:
    alarms = []
    if _too_good(ic, rule.max_plausible_ic):
        alarms.append(
            f"Alarm: an IC beyond {rule.max_plausible_ic:g} is far more than real markets give (usually .02 to .10); "
            "look for a feature that knows the future."
        )
    if _too_good(sharpe, rule.max_plausible_sharpe):
        alarms.append(
            f"Alarm: a net Sharpe ratio beyond {rule.max_plausible_sharpe:g} a year is hardly seen in real trading; "
            "look at the fills and the costs first."
        )
    return alarms


def _on_volatility(evaluation: Facts, primary: Primary) -> list[str]:
    gain = evaluation["skill"][primary.model]["volatility"].get("accuracy")
    if not gain or gain["value"] is None:
        return []
    points = {key: value if value is None else 100.0 * value for key, value in gain.items()}
    return [
        f"Volatility skill, no evidence of direction: with its direction taken away {primary.model} gains "
        f"{_estimate(points, '+.1f')} points of accuracy over the class prior; {_side_of_zero(gain)}."
    ]


def _on_rows(evaluation: Facts, level: Level) -> list[str]:
    """How much data would settle it."""
    if level in ("evidence", "implausible"):
        return []
    needs = "; ".join(_needed(evaluation, size) for size in sorted(GOOD_ICS, reverse=True))
    return [f"What would settle it, with 80 % power at a one-sided 5 %: {needs}."]


def _needed(evaluation: Facts, size: float) -> str:
    here = evaluation["timestamps"]
    timestamps = math.ceil(rows_needed(size) * here / evaluation["effective_rows"])
    if timestamps <= here:
        return f"an IC of {size:.2f} would show on {timestamps:,} timestamps, which are here"
    first, last = (datetime.fromisoformat(moment) for moment in evaluation["span"])
    years = (timestamps / here - 1.0) * (last - first).days / 365.25
    return f"an IC of {size:.2f} would show on {timestamps:,} timestamps, about {years:,.0f} more years of them"


def _judge(evaluation: Facts, model: str, wanted: tuple[str, float], rule: VerdictRule) -> dict[str, Any]:
    """Hold one wanted level against what was found, and against what a naive forecast reaches."""
    metric, level = wanted
    info = evaluation["metric_info"][metric]
    found = evaluation["models"][model]["metrics"][metric]
    naive = [name for name in rule.naive if name in evaluation["models"] and name != model]
    reached = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in naive}
    if metric in TOSSED_BY_A_COIN:
        reached[COIN] = 0.5
    trivial = [name for name, value in reached.items() if _meets(value, level, info["better"])]
    skill, rival = _gain(evaluation, model, metric, (*naive, VOLATILITY_ONLY.format(model)))
    met = _meets(found["value"], level, info["better"])
    status = "FAIL" if not met else "PASS" if _above_zero(skill) and not trivial else "WARNING"
    return {
        "name": info["label"],
        "metric": metric,
        "wanted": level,
        "found": found["value"],
        "low": found["low"],
        "high": found["high"],
        "status": status,
        "trivial": bool(trivial),
        "note": " ".join(_notes((metric, level), found, (skill, rival), trivial)),
    }


def _meets(value: float | None, level: float, better: str) -> bool:
    return value is not None and (value > level if better == "higher" else value < level)


def _strongest(evaluation: Facts, rivals: Iterable[str], metric: str) -> str | None:
    sign = 1.0 if evaluation["metric_info"][metric]["better"] == "higher" else -1.0
    values = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in rivals}
    return max((name for name, v in values.items() if v is not None), key=lambda n: sign * values[n], default=None)


def _gain(evaluation: Facts, model: str, metric: str, rivals: Iterable[str]) -> tuple[Facts, str | None]:
    """Gain over the strongest of the rivals, positive is better; over a coin when none of them beats it."""
    told, info = evaluation["models"][model], evaluation["metric_info"][metric]
    rival = _strongest(evaluation, [name for name in rivals if name in told["versus"]], metric)
    beaten = rival is None or evaluation["models"][rival]["metrics"][metric]["value"] <= 0.5
    if metric in TOSSED_BY_A_COIN and beaten:
        found = told["metrics"][metric]
        return {key: value if value is None else value - 0.5 for key, value in found.items()}, COIN
    if rival is None:
        return {"value": None, "low": None, "high": None}, None
    entry = told["versus"][rival][metric]
    low, high = entry["low"], entry["high"]
    if info["better"] == "higher" or entry["difference"] is None:
        return {"value": entry["difference"], "low": low, "high": high}, rival
    turned = {"low": high, "high": low}
    return {"value": -entry["difference"], **{k: v if v is None else -v for k, v in turned.items()}}, rival


def _notes(
    wanted: tuple[str, float], found: Facts, gain: tuple[Facts, str | None], trivial: list[str]
) -> Iterable[str]:
    metric, level = wanted
    skill, rival = gain
    if found["value"] is None:
        yield "Undefined: no call was made." if metric in TOSSED_BY_A_COIN else "Undefined."
    elif skill["value"] is not None:
        yield f"Against {rival}: {_estimate(skill, '+.4f')}; {_side_of_zero(skill)}."
    else:
        yield "There is no naive forecast to hold it against."
    if trivial:
        yield f"Trivial: {', '.join(trivial)} reaches this level too."
    if metric in TOSSED_BY_A_COIN:
        yield f"On all bars this level takes an IC of {math.sin(math.pi * (level - 0.5)):.2f}; {USUAL}."
    if metric == "r2":
        yield f"This level takes an IC of {math.sqrt(level):.2f}; {USUAL}."


def _estimate(estimate: Facts, form: str) -> str:
    if estimate.get("low") is None or estimate.get("high") is None:
        return f"{estimate['value']:{form}} (no interval)"
    return f"{estimate['value']:{form}} [{estimate['low']:{form}}, {estimate['high']:{form}}]"


def _side_of_zero(estimate: Facts) -> str:
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return "it has no interval"
    if low > 0.0:
        return "the interval lies above 0"
    return "the interval lies below 0" if high < 0.0 else "the interval includes 0"


def _bars(count: int) -> str:
    return "bar" if count == 1 else f"{count} bars"
