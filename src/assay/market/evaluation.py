"""From the out-of-sample predictions of a head to every number the report shows: values, intervals, baselines.

Models are compared on common rows: the folds from ``common_from_fold`` on, rows that every model answered and that
have a label. Figures over all folds are given apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from assay.market.errors import ConfigurationError, DataError
from assay.market.metrics import (
    METRICS,
    ClassForecasts,
    Forecasts,
    Metric,
    ReturnForecasts,
    Sums,
    class_forecasts,
    confusion,
    residual_histogram,
    return_forecasts,
    roc_curves,
    scatter_sample,
    statistics,
    sum_over,
    sum_per_group,
    volatility_only,
)
from assay.market.metrics.forecasts import Array, Mask
from assay.market.significance import (
    BootstrapRule,
    effective_rows,
    ic_t,
    interval,
    mean_correlation,
    optimal_block,
    resample_sums,
)
from assay.market.tables import CLASS_NAMES, CLASSES
from assay.market.workload import Kind

VOLATILITY_ONLY = "{} (volatility only)"
DIRECTION = {"classification": "direction_ic", "regression": "ic"}
VOLATILITY_SKILL = {"log_loss": -1.0, "accuracy": 1.0, "mcc": 1.0}  # sign that makes a gain positive

Role = Literal["model", "baseline", "volatility_only"]
Index = npt.NDArray[np.int64]
Estimate = dict[str, float | None]
Replicates = dict[str, dict[str, Array]]


class EvaluationRule(BootstrapRule):
    """How a head is evaluated.

    Attributes:
        common_from_fold: First fold of the common rows. Whatever is fitted on earlier predictions (an ensemble, a
            calibrator) starts there, so that all models are compared on the same rows.
        prior: Name of the baseline that always gives the class shares of its training part; volatility skill is the
            gain over it.
    """

    common_from_fold: int = Field(default=3, ge=1)
    prior: str = "class_prior"


@dataclass(frozen=True)
class _Contender:
    """Labelled rows of one model in time order, the fold of each, and which rows are common."""

    role: Role
    rows: Forecasts
    fold: Index
    common: Mask


@dataclass(frozen=True)
class _Contest:
    """All contenders of a head, and the rows they are compared on: ``starts`` marks each new timestamp of ``frame``."""

    kind: Kind
    contenders: dict[str, _Contender]
    frame: pl.DataFrame
    starts: Index
    horizon: int
    rule: EvaluationRule

    @property
    def metrics(self) -> dict[str, Metric]:
        return METRICS[self.kind]

    @property
    def per_timestamp(self) -> Index:
        """Rows of each timestamp."""
        return np.diff(np.append(self.starts, self.frame.height))

    def common(self, name: str) -> Forecasts:
        """The common rows of one contender."""
        contender = self.contenders[name]
        return contender.rows.take(contender.common)

    def interval(self, key: str, value: float | None, replicates: Array) -> Estimate:
        """A value with its interval; none without a value."""
        low, high = interval(replicates, confidence=self.rule.confidence) if value is not None else (None, None)
        return {key: value, "low": low, "high": high}


def evaluate(
    oos: pl.DataFrame, *, kind: Kind, roles: Mapping[str, str], horizon: int, rule: EvaluationRule
) -> dict[str, Any]:
    """Everything that is said about the predictions of one head, ready for JSON (plain floats, None where undefined).

    Args:
        oos: Out-of-sample predictions of all models of the head, one row per model, entity and decision. Rows
            without a label are left out of every metric and counted.
        kind: ``classification`` or ``regression``.
        roles: ``model`` or ``baseline`` for every model in ``oos``. Each model of a classification head also gets a
            ``volatility_only`` row, see ``volatility_only``.
        horizon: Bars that a label spans; blocks are never shorter.
        rule: Resampling and common folds.

    Returns:
        Counts, metric definitions, and per model: metrics with intervals on common rows, the same over all folds, per
        fold, and their paired differences to every baseline; direction skill apart from volatility skill.

    Raises:
        ConfigurationError: Models without a role, or no fold to compare on.
        DataError: Probabilities that are none, missing forecasts, or no labelled rows.
    """
    _check(oos, roles, rule)
    contest = _contest(oos, kind, roles, (horizon, rule))
    block = optimal_block(_dependence(contest), horizon=horizon)
    replicates = _replicates(contest, block)
    models = {name: _model(contest, name, replicates[name]) for name in contest.contenders}
    for name, model in models.items():
        model["versus"] = _versus(contest, name, models, replicates)
    return {
        "kind": kind,
        **_counts(oos, contest),
        "block_length": block,
        "confidence": rule.confidence,
        "metric_info": {name: _told(metric) for name, metric in contest.metrics.items()},
        "models": models,
        **({"class_shares": _class_shares(contest.frame)} if kind == "classification" else {}),
        "skill": _skill(contest, models, replicates),
    }


def out_of_sample_scores(oos: pl.DataFrame, name: str, *, kind: Kind) -> dict[str, float | None]:
    """Every metric of one contender over all labelled rows of all folds, None where it is undefined.

    Args:
        oos: Out-of-sample predictions of the head.
        name: The contender.
        kind: Kind of the head.
    """
    rows = oos.filter((pl.col("model") == name) & pl.col("y_true").is_not_null()).sort("time", "entity")
    if rows.is_empty():
        return dict.fromkeys(METRICS[kind])
    forecasts = class_forecasts(rows) if kind == "classification" else return_forecasts(rows)
    return _values(METRICS[kind], sum_over(forecasts))


def _check(oos: pl.DataFrame, roles: Mapping[str, str], rule: EvaluationRule) -> None:
    found = set(oos["model"].unique())
    if found != set(roles) or not set(roles.values()) <= {"model", "baseline"}:
        raise ConfigurationError(
            "roles of the models",
            "do not match the predictions",
            expected=sorted(found),
            found=dict(roles),
            do="give every model of the head the role 'model' or 'baseline'",
        )
    last = oos["fold"].to_numpy().max(initial=0)
    if last < rule.common_from_fold:
        raise ConfigurationError(
            "evaluation.common_from_fold",
            "leaves no fold to compare models on",
            expected=f"at most the last fold, {last}",
            found=rule.common_from_fold,
            do="lower it, or split into more folds",
        )


def _labelled(oos: pl.DataFrame, rule: EvaluationRule) -> pl.DataFrame:
    answered_by_all = pl.len().over("entity", "time") == oos["model"].n_unique()
    labelled = oos.filter(pl.col("y_true").is_not_null()).with_columns(
        common=(pl.col("fold") >= rule.common_from_fold) & answered_by_all
    )
    if not labelled["common"].any():
        raise DataError(
            "predictions",
            "have no labelled row that all models answered",
            expected=f"labelled rows in folds {rule.common_from_fold} and later",
            found=f"{labelled.height} labelled rows of {oos.height}, none common to {oos['model'].n_unique()} models",
            do="check the labels' horizon against the length of the test folds",
        )
    return labelled.sort("model", "time", "entity")


def _contest(oos: pl.DataFrame, kind: Kind, roles: Mapping[str, str], labels: tuple[int, EvaluationRule]) -> _Contest:
    horizon, rule = labels
    labelled = _labelled(oos, rule)
    contenders: dict[str, _Contender] = {}
    for name, role in roles.items():
        frame = labelled.filter(pl.col("model") == name)
        rows = class_forecasts(frame) if kind == "classification" else return_forecasts(frame)
        fold, common = frame["fold"].cast(pl.Int64).to_numpy(), frame["common"].to_numpy()
        contenders[name] = _Contender("model" if role == "model" else "baseline", rows, fold, common)
        if role == "model" and isinstance(rows, ClassForecasts):
            twin = _Contender("volatility_only", volatility_only(rows), fold, common)
            contenders[VOLATILITY_ONLY.format(name)] = twin
    shared = labelled.filter((pl.col("model") == labelled["model"][0]) & pl.col("common"))
    starts = np.flatnonzero(shared["time"].to_physical().diff().fill_null(1).to_numpy())
    return _Contest(kind, contenders, shared, starts, horizon, rule)


def _dependence(contest: _Contest) -> list[Array]:
    """Per timestamp: what the IC averages and what the loss averages, of every model."""
    series = []
    for name, contender in contest.contenders.items():
        if contender.role == "model":
            rows = contest.common(name)
            product = (rows.score - rows.score.mean()) * (rows.returns - rows.returns.mean())
            series += [np.add.reduceat(x, contest.starts) / contest.per_timestamp for x in (product, rows.loss)]
    return series


def _replicates(contest: _Contest, block: float) -> Replicates:
    """Every metric of every contender on the same resamples, (replications,) each."""
    summed = [sum_per_group(statistics(contest.common(name)), contest.starts) for name in contest.contenders]
    names, width = summed[0][0], len(summed[0][0])
    drawn = resample_sums(np.concatenate([sums for _, sums in summed], axis=1), block=block, rule=contest.rule)
    replicates = {}
    for i, contender in enumerate(contest.contenders):
        sums = dict(zip(names, drawn[:, i * width : (i + 1) * width].T, strict=True))
        replicates[contender] = {name: metric.value(sums) for name, metric in contest.metrics.items()}
    return replicates


def _model(contest: _Contest, name: str, replicates: Mapping[str, Array]) -> dict[str, Any]:
    contender, metrics = contest.contenders[name], contest.metrics
    rows = contest.common(name)
    sums = sum_over(rows)
    folds = [_fold(contender, metrics, int(k)) for k in np.unique(contender.fold)]
    values = _values(metrics, sums)
    return {
        "role": contender.role,
        "metrics": {metric: contest.interval("value", value, replicates[metric]) for metric, value in values.items()},
        "full_span": _values(metrics, sum_over(contender.rows)),
        "folds": folds,
        "fold_mean": {metric: _over_folds(folds, metric, "mean") for metric in metrics},
        "fold_std": {metric: _over_folds(folds, metric, "std") for metric in metrics},
        **_shapes(rows, sums),
    }


def _fold(contender: _Contender, metrics: Mapping[str, Metric], fold: int) -> dict[str, Any]:
    rows = contender.fold == fold
    return {"fold": fold, "rows": int(rows.sum()), **_values(metrics, sum_over(contender.rows.take(rows)))}


def _values(metrics: Mapping[str, Metric], sums: Sums) -> dict[str, float | None]:
    return {name: _plain(metric.value(sums)) for name, metric in metrics.items()}


def _plain(value: Array | float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _over_folds(folds: list[dict[str, Any]], name: str, what: Literal["mean", "std"]) -> float | None:
    """Mean over the folds where the metric is defined, or the standard deviation between them (n - 1)."""
    values = [fold[name] for fold in folds if fold[name] is not None]
    if what == "mean":
        return float(np.mean(values)) if values else None
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _shapes(rows: Forecasts, sums: Sums) -> dict[str, Any]:
    if isinstance(rows, ReturnForecasts):
        return {"scatter": scatter_sample(rows), "residuals": residual_histogram(rows)}
    counts = confusion(sums)
    whole = bool((counts == counts.round()).all())
    return {"confusion": (counts.astype(np.int64) if whole else counts).tolist(), "roc": roc_curves(rows)}


def _versus(
    contest: _Contest, name: str, models: Mapping[str, Mapping[str, Any]], replicates: Replicates
) -> dict[str, dict[str, Estimate]]:
    """Paired differences to every other baseline, and of a model to itself without direction."""
    rivals = [other for other, c in contest.contenders.items() if c.role == "baseline" and other != name]
    rivals += [other for other in contest.contenders if other == VOLATILITY_ONLY.format(name)]
    versus: dict[str, dict[str, Estimate]] = {rival: {} for rival in rivals}
    for rival in rivals:
        for metric in contest.metrics:
            mine, theirs = (models[m]["metrics"][metric]["value"] for m in (name, rival))
            difference = None if mine is None or theirs is None else mine - theirs
            drawn = replicates[name][metric] - replicates[rival][metric]
            versus[rival][metric] = contest.interval("difference", difference, drawn)
    return versus


def _skill(
    contest: _Contest, models: Mapping[str, Mapping[str, Any]], replicates: Replicates
) -> dict[str, dict[str, Any]]:
    skill: dict[str, dict[str, Any]] = {}
    for name, contender in contest.contenders.items():
        if contender.role != "volatility_only":
            rows = contest.common(name)
            t = ic_t(rows.score, rows.returns, contest.starts, horizon=contest.horizon)
            ic = dict(models[name]["metrics"][DIRECTION[contest.kind]])
            volatility = _volatility_skill(contest, name, models, replicates)
            skill[name] = {"direction": {"ic": ic, "t_hac": t}, "volatility": volatility}
    return skill


def _volatility_skill(
    contest: _Contest, name: str, models: Mapping[str, Mapping[str, Any]], replicates: Replicates
) -> dict[str, Estimate]:
    """Gain of the direction-free twin over the class prior; positive is better. Empty without either of them."""
    twin, prior = VOLATILITY_ONLY.format(name), contest.rule.prior
    if twin not in models or prior not in models:
        return {}
    gains = {}
    for metric, sign in VOLATILITY_SKILL.items():
        mine, given = (models[m]["metrics"][metric]["value"] for m in (twin, prior))
        drawn = sign * (replicates[twin][metric] - replicates[prior][metric])
        gains[metric] = contest.interval("value", sign * (mine - given), drawn)
    return gains


def _counts(oos: pl.DataFrame, contest: _Contest) -> dict[str, Any]:
    frame, timestamps = contest.frame, len(contest.starts)
    one = oos.filter((pl.col("model") == frame["model"][0]) & (pl.col("fold") >= contest.rule.common_from_fold))
    time = np.repeat(np.arange(timestamps), contest.per_timestamp)
    entity = frame["entity"].rank("dense").cast(pl.Int64).to_numpy() - 1
    together = mean_correlation(frame["forward_return"].to_numpy(), entity, time)
    per_time = frame.height / timestamps
    return {
        "rows": frame.height,
        "unlabelled": one["y_true"].null_count(),
        "timestamps": timestamps,
        "entities": frame["entity"].n_unique(),
        "span": [moment.isoformat() for moment in (frame["time"][0], frame["time"][-1])],
        "horizon": contest.horizon,
        "effective_rows": effective_rows(timestamps, contest.horizon, entities=per_time, correlation=together),
        "common_folds": sorted(frame["fold"].unique().to_list()),
    }


def _told(metric: Metric) -> dict[str, str]:
    return {
        "label": metric.label,
        "better": metric.better,
        "definition": metric.definition,
        "unit": metric.unit,
    }


def _class_shares(frame: pl.DataFrame) -> dict[str, float]:
    return {name: float((frame["y_true"] == c).to_numpy().mean()) for name, c in zip(CLASS_NAMES, CLASSES, strict=True)}
