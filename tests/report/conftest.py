"""Realistic facts of an equity run, seeded: small skill, many baselines, some undefined values."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from assay.market.selection import Selection, stability
from assay.report import HeadFacts, ReportFacts

START = datetime(1999, 1, 4, 21, tzinfo=UTC)
FOLDS = (1, 2, 3, 4, 5)
COMMON = (3, 4, 5)
CLASS_METRICS = {
    "accuracy": ("Accuracy", "higher", "share", "Share of rows whose class was called right.", 0.46),
    "balanced_accuracy": ("Balanced accuracy", "higher", "share", "Mean of the hit rates of the classes.", 0.35),
    "mcc": ("MCC", "higher", "coefficient", "Matthews correlation coefficient.", 0.03),
    "f1_macro": ("F1 (macro)", "higher", "share", "Mean F1 of the classes.", 0.33),
    "log_loss": ("Log loss", "lower", "nats", "Mean negative log probability of what happened.", 1.06),
    "directional_accuracy_tradable": (
        "Directional accuracy (tradable)",
        "higher",
        "share",
        "Right sign of calls.",
        0.52,
    ),
    "coverage_tradable": ("Coverage (tradable)", "higher", "share", "Rows with a call.", 0.38),
    "roc_auc_macro": ("ROC AUC (macro)", "higher", "share", "Mean one-against-rest area.", 0.53),
    "direction_ic": ("Direction IC", "higher", "coefficient", "Correlation of p(LONG) - p(SHORT) and return.", 0.02),
}
RETURN_METRICS = {
    "ic": ("IC", "higher", "coefficient", "Correlation of forecast and return.", 0.015),
    "rank_ic": ("Rank IC", "higher", "coefficient", "The same on ranks.", 0.018),
    "r2": ("R²", "higher", "coefficient", "Against the mean of the test rows.", -0.004),
    "r2_vs_zero": ("R² against zero", "higher", "coefficient", "Against a forecast of zero.", -0.002),
    "rmse": ("RMSE", "lower", "return", "Root mean squared error.", 0.024),
    "mse": ("MSE", "lower", "return squared", "Mean squared error.", 0.00058),
    "directional_accuracy": ("Directional accuracy", "higher", "share", "Right sign.", 0.53),
}
CLASS_MODELS = {
    "xgboost": "model",
    "lightgbm": "model",
    "random_forest": "model",
    "stacking": "model",
    "soft_voting": "model",
    "meta": "model",
    "xgboost (volatility only)": "volatility_only",
    "lightgbm (volatility only)": "volatility_only",
    "random_forest (volatility only)": "volatility_only",
    "stacking (volatility only)": "volatility_only",
    "soft_voting (volatility only)": "volatility_only",
    "meta (volatility only)": "volatility_only",
    "class_prior": "baseline",
    "last_sign": "baseline",
    "logistic": "baseline",
}
MEMBERS = ("xgboost", "lightgbm", "random_forest")
ENSEMBLES = ("stacking", "soft_voting", "meta")
RETURN_MODELS = {
    "xgboost": "model",
    "lightgbm": "model",
    "random_forest": "model",
    "stacking": "model",
    "zero": "baseline",
    "ridge": "baseline",
}


def _iso(days: float) -> str:
    return (START + timedelta(days=days)).isoformat()


def _metrics(rng: np.random.Generator, spec: dict[str, tuple[Any, ...]], bonus: float) -> dict[str, Any]:
    found = {}
    for name, (_, better, unit, _, centre) in spec.items():
        scale = {"return": 0.0005, "return squared": 0.00002}.get(unit, 0.012)
        value = centre + (1 if better == "higher" else -1) * bonus * scale + rng.normal() * scale / 3
        found[name] = {"value": float(value), "low": float(value - 1.9 * scale), "high": float(value + 2.1 * scale)}
    return found


def _folds(rng: np.random.Generator, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    def value(estimate: dict[str, Any]) -> float | None:
        if estimate["value"] is None:
            return None
        return estimate["value"] + float(rng.normal()) * (estimate["high"] - estimate["low"]) / 3

    return [{"fold": fold, "rows": 950, **{name: value(m) for name, m in metrics.items()}} for fold in FOLDS]


def _versus(rng: np.random.Generator, mine: dict[str, Any], baselines: dict[str, Any]) -> dict[str, Any]:
    def compare(name: str, other: dict[str, Any]) -> dict[str, float | None]:
        if mine[name]["value"] is None or other[name]["value"] is None:
            return {"difference": None, "low": None, "high": None}
        gap = mine[name]["value"] - other[name]["value"]
        room = abs(mine[name]["high"] - mine[name]["low"]) * float(rng.uniform(0.15, 0.5))
        return {"difference": gap, "low": gap - room, "high": gap + room}

    return {base: {name: compare(name, other) for name in mine} for base, other in baselines.items()}


def _class_extras(rng: np.random.Generator, skill: float) -> dict[str, Any]:
    rates = np.linspace(0, 1, 60)
    curves = {
        name: {"fpr": rates.tolist(), "tpr": (rates ** (1 - lift * (0.4 + skill))).tolist(), "auc": 0.5 + lift * 0.2}
        for name, lift in (("SHORT", 0.12), ("NEUTRAL", 0.25), ("LONG", 0.1))
    }
    confusion = [[210, 420, 230], [250, 730, 310], [220, 440, 290]]
    noise = rng.integers(0, 60, (3, 3))
    return {"roc": curves, "confusion": (np.array(confusion) + noise).tolist()}


def _return_extras(rng: np.random.Generator) -> dict[str, Any]:
    predicted = rng.normal(0.001, 0.004, 480)
    realised = 0.3 * predicted + rng.standard_t(4, 480) * 0.018
    counts, edges = np.histogram(realised - predicted, 40)
    return {
        "scatter": {"predicted": predicted.tolist(), "realised": realised.tolist()},
        "residuals": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _evaluation(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(11)
    spec, roles = (CLASS_METRICS, CLASS_MODELS) if kind == "classification" else (RETURN_METRICS, RETURN_MODELS)
    metrics = {
        name: _metrics(rng, spec, {"model": 1.1, "volatility_only": 0.3}.get(role, 0)) for name, role in roles.items()
    }
    if kind == "classification":
        metrics["class_prior"]["direction_ic"] = {"value": None, "low": None, "high": None}
        metrics["class_prior"]["directional_accuracy_tradable"] = {"value": None, "low": None, "high": None}
    baselines = {name: metrics[name] for name, role in roles.items() if role == "baseline"}
    models = {}
    for name, role in roles.items():
        folds = _folds(rng, metrics[name])
        columns = {m: [fold[m] for fold in folds if fold[m] is not None] for m in spec}
        models[name] = {
            "role": role,
            "metrics": metrics[name],
            "full_span": {m: e["value"] for m, e in metrics[name].items()},
            "folds": folds,
            "fold_mean": {m: float(np.mean(v)) if v else None for m, v in columns.items()},
            "fold_std": {m: float(np.std(v)) if v else None for m, v in columns.items()},
            "versus": {} if role == "baseline" else _versus(rng, metrics[name], baselines),
            **(_class_extras(rng, 0.1) if kind == "classification" else _return_extras(rng)),
        }
    names = ("label", "better", "unit", "definition")
    found = {
        "kind": kind, "rows": 2856, "unlabelled": 10, "timestamps": 1428, "entities": 2,
        "span": [_iso(3650), _iso(7290)], "horizon": 5, "block_length": 21, "effective_rows": 307.4,
        "confidence": 0.95, "common_folds": list(COMMON), "models": models,
        "metric_info": {m: dict(zip(names, values[:4], strict=True)) for m, values in spec.items()},
    }  # fmt: skip
    if kind == "classification":
        found["class_shares"] = {"SHORT": 0.27, "NEUTRAL": 0.42, "LONG": 0.31}
    skilled = [name for name, role in roles.items() if role != "volatility_only"]
    found["breakdown"] = {name: _breakdown(rng, metrics[name]) for name, role in roles.items() if role == "model"}
    found["skill"] = {name: _skill(metrics[name], twin=f"{name} (volatility only)" in roles) for name in skilled}
    return found


def _skill(metrics: dict[str, Any], *, twin: bool) -> dict[str, Any]:
    gains = {
        "log_loss": {"value": 0.0131, "low": 0.0042, "high": 0.0219},
        "accuracy": {"value": 0.021, "low": -0.003, "high": 0.041},
    }
    ic = metrics["direction_ic" if "direction_ic" in metrics else "ic"]
    return {"direction": {"ic": ic, "t_hac": 1.21}, "volatility": gains if twin else {}}


PARTS = {
    "volatility": ("low", "medium", "high"),
    "trend": ("down", "flat", "up"),
    "entity": ("NASDAQ", "SP500"),
    "hour": tuple(f"{hour:02d}" for hour in range(24)),
}


def _breakdown(rng: np.random.Generator, metrics: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    ic = metrics["direction_ic" if "direction_ic" in metrics else "ic"]
    return {dimension: [_part(rng, name, ic, len(names)) for name in names] for dimension, names in PARTS.items()}


def _part(rng: np.random.Generator, name: str, ic: dict[str, float], parts: int) -> dict[str, Any]:
    room = 0.024 * parts**0.5
    value = ic["value"] + room / 2 * float(rng.normal())
    told = {"name": name, "rows": 2856 // parts, "timestamps": 1428 // parts}
    told["ic"] = {"value": value, "low": value - room, "high": value + room}
    told["accuracy"] = {"value": 0.5 + value / 3, "low": 0.5 + (value - room) / 3, "high": 0.5 + (value + room) / 3}
    return told


def _receipts() -> list[dict[str, Any]]:
    return [
        {
            "fold": fold,
            "train_start": _iso(0),
            "train_end": _iso(3650 + 728 * (fold - 1) - 10),
            "last_train_label_end": _iso(3650 + 728 * (fold - 1) - 3),
            "test_start": _iso(3650 + 728 * (fold - 1)),
            "test_end": _iso(3650 + 728 * fold - 1),
            "train_rows": 5010 + 1004 * (fold - 1),
            "test_rows": 1004,
            "purged_rows": 12,
            "embargoed_rows": 4,
        }
        for fold in FOLDS
    ]


DAYS = 2500  # bars of a book


def _backtest(names: list[str]) -> dict[str, Any]:
    """Books of the models, of the market, and of doing nothing, as ``measure`` makes them."""
    rng = np.random.default_rng(5)
    found = {name: _book(rng.normal(0.00006, 0.006, DAYS), paid=0.055) | _decided(name) for name in names}
    found["buy and hold"] = _book(rng.normal(0.00028, 0.011, DAYS), paid=0.0002) | UNDECIDED
    found["always flat"] = _book(np.zeros(DAYS), paid=0.0) | UNDECIDED
    return found


UNDECIDED = {"random": None, "policy": None}


def _book(daily: np.ndarray, *, paid: float) -> dict[str, Any]:
    """A book that earned so much each day, after it paid so much for trading in all."""
    equity, times = 1 + np.cumsum(daily), [_iso(3650 + 1.45 * day) for day in range(DAYS)]
    drawdown = equity - np.maximum.accumulate(equity)
    sharpe = float(daily.mean() / daily.std() * 252**0.5) if daily.any() else None
    months = sorted({time[:7] for time in times})
    sums = {month: float(sum(daily[day] for day in range(DAYS) if times[day][:7] == month)) for month in months}
    total = float(daily.sum())
    return {
        "performance": {
            "bars": DAYS, "annual_return": float(daily.mean() * 252),
            "annual_volatility": float(daily.std() * 252**0.5),
            "sharpe": _around(sharpe), "timing_sharpe": _around(None if sharpe is None else sharpe / 2),
            "lo_sharpe": sharpe, "sortino": None if sharpe is None else sharpe * 1.4,
            "calmar": None if sharpe is None else float(daily.mean() * 252 / -drawdown.min()),
            "max_drawdown": float(drawdown.min()), "max_drawdown_bars": 611,
            "win_rate": None if sharpe is None else 0.514, "profit_factor": None if sharpe is None else 1.04,
            "turnover_per_year": 33 * paid, "exposure": 0.43, "gross": total + paid, "fees": paid * 0.6,
            "slippage": paid * 0.4, "impact": 0.0, "borrow": 0.0, "funding": 0.0, "total_return": total,
        },
        "curve": {
            "time": times, "equity": equity.tolist(), "drawdown": drawdown.tolist(),
            "low": (equity - 0.0004 * np.arange(DAYS) ** 0.9).tolist(),
            "high": (equity + 0.0004 * np.arange(DAYS) ** 0.9).tolist(),
        },
        "monthly": [{"month": month, "ret": ret} for month, ret in sums.items()],
        "by_entity": [
            {"name": "NASDAQ", "ret": total * 1.4, "sharpe": sharpe},
            {"name": "SP500", "ret": total * 0.6, "sharpe": None},
        ],
        "episodes": 0 if sharpe is None else 212,
        "stress": [_stressed(daily, paid, multiple) for multiple in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)],
        "break_even_bp": (total + paid) / (33 * paid * DAYS / 252) * 1e4 if paid else None,
        "capacity": {"capital": None, "said": "Not known: no capital is given."},
    }  # fmt: skip


def _around(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": None, "high": None} if value is None else {
        "value": value, "low": value - 0.61, "high": value + 0.63
    }  # fmt: skip


def _stressed(daily: np.ndarray, paid: float, multiple: float) -> dict[str, float | None]:
    ret = daily - (multiple - 1) * paid / DAYS
    sharpe = float(ret.mean() / ret.std() * 252**0.5) if daily.any() else None
    return {"multiple": multiple, "sharpe": sharpe, "annual_return": float(ret.mean() * 252)}


def _decided(name: str) -> dict[str, Any]:
    """What only a book has that a model decides; the naive class prior never trades."""
    sizing = {"sizing": {"kind": "fixed", "size": 1.0}, "said": "Every call takes 1 of the capital.", "folds": []}
    if name == "class_prior":
        undefined = dict.fromkeys(("low", "median", "high"))
        random = {"entries": 0, "sharpe": undefined, "beaten": None, "said": "The book never moves."}
        return {"episodes": 0, "random": random, "policy": sizing}
    random = {"entries": 1000, "sharpe": {"low": -0.52, "median": 0.11, "high": 0.74}, "beaten": 0.61}
    return {"random": random | {"said": "Better than 61% of 1,000 books."}, "policy": sizing}


def _importance(names: list[str]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    features = ["volatility_20", "return_5_over_volatility", "vix_close", "vix_age", "rsi_14", "wti_change_20"]
    features += [f"alpha_{number}" for number in range(1, 25)]
    return [
        {
            "model": model,
            "feature": feature,
            "mean": float(0.12 * 0.86**rank),
            "low": float(0.10 * 0.86**rank),
            "high": float(0.15 * 0.86**rank),
            "std": float(0.03 * rng.uniform(0.2, 1) * 0.9**rank),
        }
        for model in names
        for rank, feature in enumerate(rng.permutation(features).tolist() if model != names[0] else features)
    ]


SPANS = {
    "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
    "layers": {"options": [[64, 32], [128, 64], [256, 128, 64]]},
    "max_depth": {"low": 3.0, "high": 10.0, "log": False},
    "min_child_weight": {"low": 5.0, "high": 200.0, "log": True},
    "subsample": {"low": 0.5, "high": 1.0, "log": False},
}


def _trials(names: list[str]) -> list[dict[str, Any]]:
    """Forty trials per model, some pruned, one failed; only the learning rate matters, and is best near 0.05."""
    rng = np.random.default_rng(2)
    return [_trial(rng, model, number) for model in names for number in range(40)]


def _trial(rng: np.random.Generator, model: str, number: int) -> dict[str, Any]:
    rate = float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))
    score = float(-1.06 - 0.02 * np.log10(rate / 0.05) ** 2 + 0.002 * rng.normal() - (0.5 if number == 5 else 0))
    state = "failed" if number == 13 else "pruned" if number % 6 == 4 else "complete"
    params = {
        "learning_rate": rate,
        "layers": SPANS["layers"]["options"][int(rng.integers(3))],  # type: ignore[index]
        "max_depth": int(rng.integers(3, 11)),
        "min_child_weight": float(np.exp(rng.uniform(np.log(5), np.log(200)))),
        "subsample": float(rng.uniform(0.5, 1)),
    }
    return {
        "id": f"{model}-{number}", "model": model, "number": number, "state": state, "params": params,
        "score": None if state == "failed" else score, "raw": None, "objective": "log_loss",
    }  # fmt: skip


def _searches(names: list[str]) -> dict[str, Any]:
    stops = ("patience", "trials", "seconds")
    return {name: {"stopped": stop, "spans": SPANS} for name, stop in zip(names, stops, strict=True)}


def _step(fold: int | None, kind: str, members: tuple[str, ...]) -> dict[str, Any]:
    """Equal weights until there are two older folds; on fold 4 the fitted ones gain nothing."""
    even = dict.fromkeys(members, 1 / len(members))
    step: dict[str, Any] = {"fitted_on": [], "rows": 0, "weights": even, "fallback": None, "accepted_on": None}
    step["gain"] = None
    last = (fold or FOLDS[-1] + 1) - 1
    if kind == "meta":
        step["weights"] = None
    if kind in ("stacking", "meta") and last < 2:
        step["fallback"] = "equal weights: no two older folds to fit and to accept others on"
    elif kind == "stacking":
        learned = {member: weight + 0.02 * last for member, weight in zip(members, (0.7, 0.31, -0.06), strict=True)}
        step |= {"fitted_on": list(range(1, last)), "rows": 950 * last, "accepted_on": last, "gain": 0.0021}
        step |= {"weights": learned} if fold != 4 else {"fallback": "equal weights: fitted ones gain nothing on fold 3"}
        step["gain"] = -0.0004 if fold == 4 else step["gain"]
    elif kind == "meta":
        step |= {"fitted_on": list(range(1, last + 1)), "rows": 310 * last}
    return ({} if fold is None else {"fold": fold}) | step


def _contender(kind: str, members: tuple[str, ...]) -> dict[str, Any]:
    return {
        "kind": kind, "members": list(members), "absent": {"mlp": "left out by the profile quick"} if len(members) > 1
        else {}, "folds": [_step(fold, kind, members) for fold in FOLDS], "final": _step(None, kind, members),
    }  # fmt: skip


def _ensembles(names: list[str]) -> dict[str, Any]:
    contenders = {name: _contender(name, MEMBERS[:1] if name == "meta" else MEMBERS) for name in names}
    reason = "1 of 3 members there, 2 needed; without mlp (left out by the profile quick)"
    return {"contenders": contenders, "left_out": {"mean": reason}, "fits": []}


def _calibration(models: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    return {
        "kind": "classification", "method": "dirichlet", "final": dict.fromkeys(models), "fits": [],
        "models": {name: _calibrated(rng, name) for name in models},
    }  # fmt: skip


def _calibrated(rng: np.random.Generator, name: str) -> dict[str, Any]:
    accepted = name == "xgboost"
    folds: list[dict[str, Any]] = [
        {"fold": 1, "fitted_on": [], "rows": 0, "accepted_on": None, "accepted": False, "brier_before": None,
         "brier_after": None, "said": "no older folds to fit and to accept on"},
        {"fold": 4, "fitted_on": [1, 2], "rows": 1840, "accepted_on": 3, "accepted": accepted,
         "brier_before": 0.6412, "brier_after": 0.6391 if accepted else 0.6417,
         "said": "the Brier score of fold 3 falls" if accepted else "no gain on fold 3"},
    ]  # fmt: skip
    bins = []
    for label, centre in (("SHORT", 0.27), ("NEUTRAL", 0.42), ("LONG", 0.31)):
        for p in np.linspace(centre - 0.12, centre + 0.12, 10):
            share, rows = float(p + 0.02 * rng.normal()), int(rng.integers(250, 320))
            ends = {"share": share, "low": share - 0.05, "high": share + 0.05}
            bins.append({"class": label, "p": float(p), "rows": rows} | ends)
    value, said = (0.012, "an error of 0.0120 is not beyond 0.0190") if accepted else (0.031, "miscalibrated")
    return {
        "folds": folds, "brier": {"raw": 0.6421, "calibrated": 0.6395 if accepted else 0.6421},
        "reliability": bins, "ece": {"value": value, "null_95": 0.019, "said": said},
    }  # fmt: skip


def _intervals(models: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    months = [f"{2009 + n // 12}-{n % 12 + 1:02d}" for n in range(60)]
    return {
        "kind": "regression", "method": "adaptive conformal", "coverage": 0.9, "final": dict.fromkeys(models),
        "fits": [],
        "models": {
            name: {
                **_covered(rng, 2856, 0.012), "mean_width": 0.081, "infinite": 37, "waiting": 42,
                "by_volatility": [{"name": third} | _covered(rng, 952, 0.02) for third in ("calm", "usual", "wild")],
                "by_entity": [{"name": entity} | _covered(rng, 1428, 0.02) for entity in ("NASDAQ", "SP500")],
                "by_month": [{"name": month} | _covered(rng, 42, 0.07) for month in months],
            }
            for name in models
        },
    }  # fmt: skip


def _covered(rng: np.random.Generator, rows: int, room: float) -> dict[str, Any]:
    coverage = min(1.0, float(0.9 + 0.6 * room * rng.normal()))
    return {"rows": rows, "coverage": coverage, "low": coverage - room, "high": min(1.0, coverage + room)}


def _explanation(names: list[str], unit: str) -> dict[str, Any]:
    listed = [f"alpha_{n}" for n in range(1, 21)]
    steady = {"spearman": 0.71, "low": 0.55, "high": 0.86, "pairs": [[0, 1, 0.71]], "top": 10, "overlap": 0.66}
    found = {
        "rows": 1000, "folds": list(FOLDS), "unit": unit, "gap": 1e-7, "stability": {**steady, "chance": 0.4,
        "same_sign": 0.8}, "features": [
            {"name": name, "mean_abs": [0.1 * 0.9**place] * 5, "rank": [place + 1] * 5, "direction": [0.4] * 5,
             "mean": 0.1 * 0.9**place, "share": 0.114 * 0.9**place}
            for place, name in enumerate(listed)
        ],
    }  # fmt: skip
    return {"models": dict.fromkeys(names, found), "left_out": {"last_sign": "reads no features"}}


def _shap_sample(model: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(9)
    return [
        {"model": model, "row": row, "feature": f"alpha_{feature}", "value": float(value),
         "shap": float(0.1 * 0.9**feature * value + 0.02 * rng.normal())}
        for feature in range(1, 13)
        for row, value in enumerate(rng.normal(size=200))
    ]  # fmt: skip


FEATURES = tuple(f"{family}_{n}" for family in ("alpha", "momentum", "volatility", "volume") for n in range(1, 21))


def _selections() -> list[dict[str, Any]]:
    """Of 80 features 24 are kept in each fold, chosen by two methods that mostly agree."""
    rng = np.random.default_rng(8)
    worth = rng.normal(size=len(FEATURES))
    return [_selection(rng, worth, fold) for fold in FOLDS]


def _selection(rng: np.random.Generator, worth: np.ndarray, fold: int) -> dict[str, Any]:
    reasons = {"alpha_3": "coverage 0.210 below 0.5", "volume_9": "constant"}
    reasons |= {f"volatility_{n}": "correlation 0.971 with volatility_1" for n in range(15, 18 + fold % 3)}
    ranked = [name for name in FEATURES if name not in reasons]
    ranks = {}
    for method in ("univariate", "permutation"):
        noisy = {name: worth[FEATURES.index(name)] + 0.3 * rng.normal() for name in ranked}
        order = sorted(ranked, key=lambda name: -noisy[name])
        ranks[method] = {name: float(order.index(name) + 1) for name in ranked}
    consensus = {name: sum(found[name] for found in ranks.values()) / 2 for name in ranked}
    best = sorted(ranked, key=lambda name: consensus[name])
    reasons |= {name: f"rank {place} of {len(ranked)}" for place, name in enumerate(best, 1) if place > 24}
    return {
        "fold": fold, "rows": 4000 + 1000 * fold, "last_time_seen": _iso(3400), "last_label_end": _iso(3405),
        "kept": [name for name in ranked if name in best[:24]], "dropped": reasons, "ranks": ranks,
        "consensus": consensus,
    }  # fmt: skip


def _selection_of(found: dict[str, Any]) -> Selection:
    return Selection.model_validate({name: value for name, value in found.items() if name != "fold"})


def _class_shares() -> list[dict[str, Any]]:
    def shares(neutral: float) -> dict[str, float]:
        return {"SHORT": (1 - neutral) * 0.45, "NEUTRAL": neutral, "LONG": (1 - neutral) * 0.55}

    return [{"fold": fold, "train": shares(0.4), "test": shares(0.3 + 0.05 * fold)} for fold in FOLDS]


def _fits(models: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "model": model, "fold": receipt["fold"], "what": what, "last_time_seen": receipt["train_end"],
            "last_label_end": receipt["last_train_label_end"], "test_start": receipt["test_start"],
        }
        for model in models
        for receipt in _receipts()
        for what in ("selection", "preprocess", "model")
    ]  # fmt: skip


def _contest(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Models and the baselines that learn; losses are minus the IC, the last two leave the set."""
    rng = np.random.default_rng(13)
    asked = [name for name in evaluation["models"] if name not in ("class_prior", "zero", "last_sign")]
    judged = [name for name in asked if evaluation["models"][name]["role"] != "volatility_only"]
    losses = {name: -evaluation["skill"][name]["direction"]["ic"]["value"] for name in judged}
    order = sorted(judged, key=losses.__getitem__)
    ps = {name: max(0.02, 1.0 - 0.19 * place) for place, name in enumerate(order)}
    models = {name: {"mean_loss": losses[name], "mcs_p": ps[name], "inside": ps[name] > 0.1} for name in judged}
    sizes = {name: {**models[name], "mean_loss": 1.07, "inside": True} for name in judged}
    pairs = [
        {"model": name, "rival": rival, "dm": -1.1, "p": 0.27, "said": "cannot be told apart",
         "difference": {"value": losses[name] - losses[rival], "low": losses[name] - losses[rival] - 0.02,
                        "high": losses[name] - losses[rival] + 0.02}}
        for name in judged if evaluation["models"][name]["role"] == "model"
        for rival in judged if rival != name
    ]  # fmt: skip
    signs = {
        name: {"statistic": 1.4, "p": 0.08, "overlapping": {"t": float(rng.normal()), "p": 0.31}, "hits": 0.517,
               "expected": 0.509, "said": "no more right signs than chance gives"}
        for name in judged
    }  # fmt: skip
    return {
        "loss": {"name": "minus the direction score times the return", "definition": "Its mean is minus the IC."},
        "reference": "zero", "rows": 2856, "timestamps": 1428, "block": 21, "level": 0.1, "models": models,
        "spa": {"p_lower": 0.11, "p_consistent": 0.14, "p_upper": 0.19, "models": len(judged)},
        "stepm": {"level": 0.05, "better": []}, "pairs": pairs, "pesaran_timmermann": signs,
        "said": f"{order[0]} is the best of {len(judged)}, and the 90% confidence set holds most of them.",
        "accuracy_of_forecast": {"loss": {"name": "log loss", "definition": "Minus the log probability of what came."},
                                 "models": sizes},
    }  # fmt: skip


def _significance(names: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(17)
    models = {}
    for name in names:
        psr = float(rng.uniform(0.55, 0.97))
        models[name] = {
            "sharpe_per_bar": 0.021, "skew": -0.41, "kurtosis": 6.2, "psr": psr, "dsr": psr**4,
            "min_track_record_years": 14.2, "min_backtest_years": 9.1, "lo_annual_sharpe": 0.36,
        }  # fmt: skip
    trials = {
        "records": 61, "configurations": 23, "compared": 21, "clusters": 4, "effective": 3.8,
        "sharpe_variance": 0.00042, "expected_max_sharpe": 0.0391, "claims": ["xgboost", "lightgbm"],
        "said": "23 configurations ever had a result on this head; 2 have none on this span.",
    }  # fmt: skip
    pbo = {"value": 0.41, "blocks": 16, "splits": 12870, "strategies": 21, "said": "what luck gives is about one half"}
    said = "PSR and DSR: Bailey and Lopez de Prado 2012 and 2014."
    return {"bars": 2500, "bars_per_year": 252.0, "trials": trials, "models": models, "pbo": pbo, "said": said}


NO_SEEDS = {"model": None, "seeds": [], "ic": [], "mean": None, "sd": None, "low": None, "high": None}


def _seeds() -> dict[str, Any]:
    return {
        "model": "xgboost", "seeds": [7, 8, 9], "ic": [0.0339, 0.0251, 0.0402], "mean": 0.0331, "sd": 0.0076,
        "low": 0.0251, "high": 0.0402, "said": "the IC of xgboost is above 0 from all 3 seeds",
    }  # fmt: skip


def null_calibration() -> dict[str, Any]:
    """Two hundred runs without a signal, and forty with one."""

    def rate(runs: int, evidence: int, low: float, high: float) -> dict[str, Any]:
        levels = {"no evidence": runs - evidence - 4, "weak": 4, "evidence": evidence, "implausible": 0}
        held = {"Direction": {"held": evidence + 3, "asked": runs}, "Seeds": {"held": 0, "asked": 0}}
        return {
            "runs": runs, "levels": levels, "evidence": {"value": evidence / runs, "low": low, "high": high},
            "rules": held, "rows": 1428, "seconds": 7.1,
        }  # fmt: skip

    kinds = {"shift": rate(80, 2, 0.0030, 0.0874), "market": rate(120, 3, 0.0052, 0.0713)}
    planted = {"planted 0.05": rate(40, 12, 0.166, 0.465), "planted 0.10": rate(40, 35, 0.732, 0.958)}
    return {
        "rules": "0f7b" * 16, "runs": 200, "kinds": kinds, "total": rate(200, 5, 0.0082, 0.0574), "profile": {},
        "power": {"kinds": planted, "said": "Evidence was found where a signal was planted, in 12 and 35 of 40."},
        "failed": [{"kind": "shift", "seed": 5, "failed": "DataError"}], "level": 0.05, "holds": None,
        "said": "5 of 200 (2.5%, 95 % interval 0.8% to 5.7%) of null runs were called evidence.",
    }  # fmt: skip


TESTS = {
    "A0": ("Determinism", "pass", "The features are computed twice, once from shuffled rows.", "equal to the bit"),
    "A1": ("Truncation", "pass", "The future is cut off at 20 times.", "80 features, no row before a cut changed"),
    "A4": ("Replay", "pass", "The newest rows are computed again.", "20 rows, equal to the bit"),
    "A5": ("Warm-up", "informative", "The history starts later.", "3 features need more bars than they say"),
    "A7": ("Fit scope", "pass", "Every fit declares what it has seen.", "45 declarations, all before their test folds"),
    "A8": (
        "Too good to be true",
        "pass",
        "Returns are shifted 200 times.",
        "9 features beyond chance, none above 0.15",
    ),
    "A11": ("Universe", "incomplete", "Entities that ended are counted.", "none ended: survivorship is unverified"),
}


def _audit() -> dict[str, Any]:
    """An audit that found nothing but could not check survivorship."""
    rng = np.random.default_rng(21)
    scores = rng.normal(0, 0.022, len(FEATURES))
    names = ("name", "outcome", "procedure", "found")
    said = (
        "No leak found by tests A0, A1, A8; detectable: a look-ahead on every row for certain; one bar on 13.9% of the "
        "rows, chosen without regard to events, with 95%. Not known: A11 0 of 2 entities end before the panel does; "
        "survivorship: unverified. A4 and A7, run after the fits, passed."
    )
    return {
        "verdict": "INCOMPLETE", "said": said, "allowed": False,
        "tests": [
            {"id": test, "detectable": "a look-ahead on 15% of the rows" if test == "A1" else None}
            | dict(zip(names, told, strict=True))
            for test, told in TESTS.items()
        ],
        "features": [
            {
                "name": name, "verdict": "NONE FOUND", "failures": [], "ic": float(score),
                "delayed_ic": float(score * 0.8), "null_ic": 0.045, "needed_warm_up": place % 7 * 10 or None,
            }
            for place, (name, score) in enumerate(zip(FEATURES, scores, strict=True))
        ],
    }  # fmt: skip


def leaking_audit(*, verdict: str = "FAIL", allowed: bool = True) -> dict[str, Any]:
    """The same with one feature that fails and one that is suspect."""
    audit = _audit()
    accused = {"alpha_7": ("FAIL", "A1", "changes on 312 rows when the future is cut off", 0.31)}
    accused |= {"volume_2": ("SUSPECT", "A8", "IC 0.21 above 0.15 and above chance", 0.21)}
    for feature in audit["features"]:
        if feature["name"] in accused:
            level, test, said, ic = accused[feature["name"]]
            feature |= {"verdict": level, "failures": [{"test": test, "said": said}], "ic": ic}
    audit["tests"][1] |= {"outcome": "fail", "found": "alpha_7 changes on 312 rows before the cuts"}
    audit["tests"][5] |= {"outcome": "suspect", "found": "volume_2 has an IC of 0.21"}
    said = "A1 found alpha_7; A8 finds volume_2 too good to be true."
    return {**audit, "verdict": verdict, "allowed": allowed, "said": said}


def _head(kind: str) -> HeadFacts:
    roles = CLASS_MODELS if kind == "classification" else RETURN_MODELS
    made = [name for name in ENSEMBLES if name in roles]
    tuned = [name for name, role in roles.items() if role == "model" and name not in made]
    judged = [*tuned, *made]
    manifest = {
        "rows": 10062, "labelled": 10040, "nulls": {"tail": 10, "gap": 8, "jump": 4}, "horizon": 5,
        "kind": "fixed_horizon", "threshold": 0.43, "threshold_seen": _iso(3640),
        "execution": {"delay": 1, "price": "close"},
        "class_shares": {"SHORT": 0.26, "NEUTRAL": 0.43, "LONG": 0.31},
    }  # fmt: skip
    selections, evaluation = _selections(), _evaluation(kind)
    traded = [name for name, role in roles.items() if role != "volatility_only"]
    return HeadFacts(
        kind=kind,
        profile="quick",
        traded=True,
        evaluation=evaluation,
        receipts=_receipts(),
        label_manifest=manifest,
        importance=_importance(tuned),
        backtest=_backtest(traded),
        trials=_trials(tuned),
        searches=_searches(tuned),
        bundles=[
            {
                "model": name,
                "bundle_id": f"{at:016x}",
                "training": {"rows": 900 + at, "last_label_end": "2018-12-24T21:00"},
            }
            for at, name in enumerate(tuned)
        ],
        costs="Turnover pays 1 bp of fees and 0.5 bp of slippage.",
        funding="Positions pay no funding.",
        best_params={name: {"max_depth": 4, "learning_rate": 0.0437, "layers": [128, 64]} for name in tuned},
        min_coverage=0.5,
        selections=selections,
        stability=stability({f"fold {found['fold']}": _selection_of(found) for found in selections}),
        class_shares=_class_shares() if kind == "classification" else [],
        fits=_fits(tuned),
        outer_trials=len(roles),
        ensembles=_ensembles(made),
        calibration=_calibration(judged) if kind == "classification" else _intervals(judged),
        explanation=_explanation(tuned, "log-odds" if kind == "classification" else "return"),
        shap_sample=_shap_sample(tuned[0]),
        left_out=dict.fromkeys(("mlp", "lstm"), "left out by the profile quick"),
        contest=_contest(evaluation),
        significance=_significance(traded),
        seeds=_seeds()
        if kind == "classification"
        else {**NO_SEEDS, "said": "The primary is declared on another head."},
    )


def _wanted() -> list[dict[str, Any]]:
    rows = [
        ("accuracy", 0.55, 0.473, 0.45, 0.497, "FAIL", False, "Would need an IC of about 0.5 with volatility known."),
        ("directional_accuracy_tradable", 0.60, 0.533, 0.51, 0.557, "FAIL", False, "60 % needs an IC of 0.31."),
        ("coverage_tradable", 0.30, 0.39, 0.37, 0.41, "PASS", True, "The last sign covers every row."),
        ("direction_ic", 0.05, 0.0339, 0.0111, 0.0591, "WARNING", False, "Within the interval, not shown."),
    ]
    names = ("metric", "wanted", "found", "low", "high", "status", "trivial", "note")
    told = [dict(zip(names, row, strict=True)) for row in rows]
    return [
        entry | {"name": CLASS_METRICS[entry["metric"]][0], "unit": CLASS_METRICS[entry["metric"]][2]} for entry in told
    ]


def _rules() -> list[dict[str, Any]]:
    rows: tuple[tuple[str, str, bool | None], ...] = (
        ("direction above zero", "The IC of xgboost is +0.036 [+0.013, +0.061]; the interval excludes 0.", True),
        ("above the class prior", "The difference is +0.031 [+0.004, +0.059].", True),
        ("net Sharpe above zero", "0.47 [-0.14, 1.10] a year; the interval includes 0.", False),
        ("more than the best of many tries", "The deflated Sharpe ratio is 0.41; 0.95 is asked for.", False),
        ("enough episodes", "212 independent episodes; 30 are asked for.", True),
        ("all seeds of one sign", "xgboost cannot be fitted again here.", None),
    )
    return [dict(zip(("name", "said", "holds"), row, strict=True)) for row in rows]


def _catalogue() -> dict[str, Any]:
    families = {"momentum": 12, "volatility": 9, "volume": 6, "trend": 8, "macro": 5}
    features = [
        {
            "name": f"{family}_{number}", "family": family, "unit": "share",
            "window": 5 * number, "warm_up": 5 * number, "recursive": family == "trend",
            "definition": f"Change of the close over {5 * number} bars divided by its volatility.",
            "sources": ["close", "volume"], "reference": "Wilder 1978", "coverage": 0.97,
        }
        for family, count in families.items()
        for number in range(1, count + 1)
    ]  # fmt: skip
    reason = "open equals the previous close on 61.0% of rows"
    return {
        "feature_set_id": "fs-4c1d9be20a77",
        "features": features,
        "disabled": [{"name": name, "reason": reason} for name in ("overnight_gap", "intraday_range_open")],
    }


def _quality() -> dict[str, Any]:
    return {
        "bars": {"rows_in": 10066, "rows_out": 10062, "counts": {"duplicate, equal": 3, "close not positive": 1}},
        "feeds": {
            "vix": {"rows": 1259, "latency": "next session"},
            "wti": {"rows": 5030, "latency": "5 business days"},
        },
        "entities": [
            {"entity": name, "first": _iso(0), "last": _iso(7300), "rows": 5031} for name in ("SP500", "NASDAQ")
        ],
        "stale_open_share": 0.612,
        "notes": ["Open-based features are off."],
    }


def _manifest() -> dict[str, Any]:
    return {
        "facts": {
            "code_revision": "9f31c2ab0d", "parameters_hash": "5b1f0e77c3a94d21",
            "inputs": {"sp500_daily.parquet": "ab" * 32, "nasdaq.parquet": "cd" * 32},
            "packages": {"polars": "2.1.0", "xgboost": "3.2.0"}, "seeds": {"models": 7, "bootstrap": 11},
        },
        "run": {"id": "20250102T080500", "started": "2025-01-02T08:05:00+00:00", "env": "base"},
    }  # fmt: skip


def sample_facts() -> ReportFacts:
    """Build the facts of a run with two heads."""
    return ReportFacts(
        workload="equity",
        verdict={
            "level": "weak",
            "headline": "A hint, not proof: xgboost leans the right way, but after costs it may be luck.",
            "reasons": [
                {"about": about, "said": said}
                for about, said in (
                    ("Direction", "The IC of xgboost is +0.036 [+0.013, +0.061] on 2,856 rows; it lies above 0."),
                    ("Baselines", "The strongest, last_sign, reaches +0.022 [-0.001, +0.047]."),
                    ("Profit", "The net Sharpe ratio is 0.47 [-0.14, 1.10] a year; the interval includes 0."),
                    ("What would settle it", "With 80 % power: an IC of 0.02 would show on 71,800 timestamps."),
                    ("Claim", "One claim was declared beforehand; everything else here is exploratory."),
                )
            ],
            "wanted": _wanted(),
            "rules": _rules(),
            "judged_by": "0f7b" * 16,
        },
        primary={"head": "signal", "model": "xgboost", "metric": "direction_ic"},
        notes=[
            "An index is not tradable, and its returns exclude dividends.",
            "Open-based features are off: the open equals the previous close on 61 % of rows.",
            "Funding does not apply to this workload.",
        ],
        heads={"signal": _head("classification"), "forward_return": _head("regression")},
        absent={},
        catalogue=_catalogue(),
        quality=_quality(),
        audit=_audit(),
        manifest=_manifest(),
        null_calibration=null_calibration(),
    )


@pytest.fixture(scope="session")
def facts() -> ReportFacts:
    return sample_facts()


@pytest.fixture
def leaking() -> dict[str, Any]:
    """An audit that failed and was allowed; a fresh copy."""
    return leaking_audit()


@pytest.fixture(scope="session")
def change(facts: ReportFacts) -> Callable[..., ReportFacts]:
    """Return a function that copies the facts with some fields replaced."""
    return lambda **fields: replace(facts, **fields)
