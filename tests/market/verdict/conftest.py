"""Documents of a run as small as a verdict can be drawn from."""

from collections.abc import Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from assay.market.metrics import METRICS
from assay.market.primary import Primary
from assay.market.verdict import Backtest, Findings, VerdictRule, verdict

Facts = dict[str, Any]
Numbers = Sequence[float | None]

PRIMARY = Primary(head="signal", model="boosted")
HOPED = VerdictRule(
    wanted={
        "classification": {"accuracy": 0.55, "directional_accuracy_tradable": 0.60},
        "regression": {"directional_accuracy": 0.58, "r2": 0.10},
    },
    wanted_performance={"sharpe": 1.0, "max_drawdown": -0.15},
)
CHANCE = (0.01, -0.03, 0.05)


def estimate(numbers: Numbers) -> Facts:
    value, low, high = (*numbers, None, None)[:3]
    return {"value": value, "low": low, "high": high}


def earned(sharpe: Numbers, timing: Numbers | None = None, *, episodes: int | None = None, **others: Any) -> Backtest:
    mine = {
        "sharpe": estimate(sharpe),
        "timing_sharpe": estimate(timing or sharpe),
        "max_drawdown": -0.1,
        "exposure": 0.014,
    }
    return Backtest(mine | others, {"sharpe": estimate((0.7,)), "max_drawdown": -0.3}, episodes)


def told(role: str, metrics: Facts, versus: Facts | None = None) -> Facts:
    return {"role": role, "metrics": metrics, "versus": versus or {}}


def evaluation(ic: Numbers = CHANCE, kind: str = "classification", **metrics: Numbers) -> Facts:
    """What ``evaluate`` says about one model, a naive baseline and (classes) the model without direction."""
    nothing = {name: estimate((None,)) for name in METRICS[kind]}
    first, naive = ("direction_ic", "class_prior") if kind == "classification" else ("ic", "zero")
    mine = {**nothing, first: estimate(ic), **{name: estimate(numbers) for name, numbers in metrics.items()}}
    undefined = {name: {"difference": None, "low": None, "high": None} for name in METRICS[kind]}
    models = {"boosted": told("model", mine, {naive: deepcopy(undefined)}), naive: told("baseline", dict(nothing))}
    if kind == "classification":
        models["boosted (volatility only)"] = told("volatility_only", dict(nothing))
        models["boosted"]["versus"]["boosted (volatility only)"] = deepcopy(undefined)
    info = {
        name: {"label": metric.label, "better": metric.better, "unit": metric.unit}
        for name, metric in METRICS[kind].items()
    }
    return {
        "kind": kind,
        "rows": 4000,
        "timestamps": 2000,
        "entities": 2,
        "effective_rows": 500.0,
        "horizon": 5,
        "confidence": 0.95,
        "span": ["2010-01-01T00:00:00+00:00", "2018-01-01T00:00:00+00:00"],
        "metric_info": info,
        "models": models,
        "skill": {"boosted": {"direction": {"ic": estimate(ic), "t_hac": 2.4}, "volatility": {}, "episodes": 120}},
    }


def set_rival(facts: Facts, rival: str, metric: str, value: float, difference: Numbers) -> Facts:
    facts["models"][rival]["metrics"][metric] = estimate((value, value - 0.02, value + 0.02))
    middle, low, high = difference
    facts["models"]["boosted"]["versus"][rival][metric] = {"difference": middle, "low": low, "high": high}
    return facts


def significance(dsr: float | None = 0.97, claims: Sequence[str] = ("boosted",)) -> Facts:
    mine = {"dsr": dsr, "min_track_record_years": 12.34}
    return {"trials": {"configurations": 14, "claims": list(claims)}, "models": {"boosted": mine}}


def seeds(*ics: float | None, model: str | None = "boosted", sd: float | None = 0.01) -> Facts:
    return {"model": model, "seeds": list(range(len(ics))), "ic": list(ics), "sd": sd, "said": "Said."}


def contest(p: float | None = 0.01, better: Sequence[str] = ("boosted",), models: int = 6) -> Facts:
    return {"spa": {"p_consistent": p, "models": models}, "stepm": {"level": 0.05, "better": list(better)}}


def whole(facts: Facts, backtest: Backtest | None, **documents: Any) -> Findings:
    """Findings in which everything holds that is not about these two."""
    passing = {
        "significance": significance(),
        "seeds": seeds(0.03, 0.05, 0.04),
        "contests": {"signal": contest(), "forward_return": contest(0.4, ())},
    }
    return Findings(facts, backtest, **(passing | documents))


def judged(
    facts: Facts, backtest: Backtest | None, rule: VerdictRule = HOPED, primary: Primary = PRIMARY, **documents: Any
) -> Facts:
    return verdict(whole(facts, backtest, **documents), primary=primary, rule=rule)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Makers of documents, and what becomes of them."""
    makers = (estimate, earned, evaluation, set_rival, significance, seeds, contest, whole, judged)
    return SimpleNamespace(**{maker.__name__: maker for maker in makers}, hoped=HOPED, primary=PRIMARY)
