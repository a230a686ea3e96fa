"""Models held against their baselines: the strongest baseline decides, and a table for CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.report.format import is_number
from assay.report.view import HeadView, head_view

if TYPE_CHECKING:
    import polars as pl

    from assay.report.facts import ReportFacts


@dataclass(frozen=True)
class Versus:
    """Difference of a model to its strongest baseline on one metric, in the metric's unit (model minus baseline)."""

    baseline: str
    difference: float
    low: float | None
    high: float | None
    lower_is_better: bool

    @property
    def wins(self) -> bool:
        """Whether the interval of the difference lies wholly on the better side of zero."""
        if self.low is None or self.high is None:
            return False
        return self.high < 0 if self.lower_is_better else self.low > 0

    @property
    def loses(self) -> bool:
        """Whether the interval of the difference lies wholly on the worse side of zero."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 if self.lower_is_better else self.high < 0


def strongest(view: HeadView, model: str, metric: str) -> Versus | None:
    """Find the baseline that leaves a model the smallest advantage on a metric.

    Args:
        view: The head.
        model: One of its models.
        metric: One of its metrics.

    Returns:
        The comparison, or ``None`` if the model was compared with no baseline on this metric.
    """
    lower = view.info(metric).lower_is_better
    sign = -1 if lower else 1
    found = [
        (sign * entry["difference"], baseline, entry)
        for baseline, entry in _differences(view, model, metric)
        if is_number(entry["difference"])
    ]
    if not found:
        return None
    _, baseline, entry = min(found, key=lambda item: (item[0], item[1]))
    return Versus(baseline, entry["difference"], entry["low"], entry["high"], lower)


def _differences(view: HeadView, model: str, metric: str) -> list[tuple[str, dict[str, Any]]]:
    return [(baseline, metrics[metric]) for baseline, metrics in view.model(model)["versus"].items()]


def contest_ranks(contest: Mapping[str, Any]) -> dict[str, int]:
    """Rank the models of a contest by their mean loss, the smallest first; without one a model comes last.

    Args:
        contest: The contest of a head.

    Returns:
        Rank from 1 per model, in that order.
    """

    def loss(name: str) -> tuple[float, str]:
        found = contest["models"][name]["mean_loss"]
        return (found if is_number(found) else float("inf"), name)

    return {name: rank for rank, name in enumerate(sorted(contest["models"], key=loss), start=1)}


def comparison_table(facts: "ReportFacts") -> "pl.DataFrame":
    """Lay all metrics of all models out as one long table.

    Args:
        facts: The facts of the report.

    Returns:
        Grain: head, model, metric. Columns: ``role`` (model, ensemble, baseline or volatility_only), ``value`` with its
        interval ``low``, ``high`` on the common folds, ``full_span``, ``fold_mean``, ``fold_std``, and the strongest
        ``baseline`` with ``difference`` (model minus baseline), ``difference_low``, ``difference_high``; the same for
        every metric of a model: its ``rank`` by the loss of the contest, ``mcs_p`` and whether it is ``inside`` the
        model confidence set. Null where undefined.
    """
    import polars as pl

    numbers = ("value", "low", "high", "full_span", "fold_mean", "fold_std")
    schema = {
        **dict.fromkeys(("head", "model", "role", "metric"), pl.String),
        **dict.fromkeys(numbers, pl.Float64),
        "baseline": pl.String,
        **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
        "rank": pl.Int64,
        "mcs_p": pl.Float64,
        "inside": pl.Boolean,
    }
    views = [head_view(facts, name) for name in facts.heads]
    rows = [_row(view, model, metric) for view in views for model in view.models for metric in view.metrics]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(view: HeadView, model: str, metric: str) -> list[object]:
    entry = view.model(model)
    estimate = view.estimate(model, metric)
    spread = [entry[name][metric] for name in ("full_span", "fold_mean", "fold_std")]
    versus = strongest(view, model, metric)
    against = [versus.baseline, versus.difference, versus.low, versus.high] if versus else [None] * 4
    interval = [estimate[name] for name in ("value", "low", "high")]
    return [view.name, model, view.part(model), metric, *interval, *spread, *against, *_place(view, model)]


def _place(view: HeadView, model: str) -> list[object]:
    contest = view.facts.contest
    if model not in contest["models"]:
        return [None] * 3
    found = contest["models"][model]
    return [contest_ranks(contest)[model], found["mcs_p"], found["inside"]]
