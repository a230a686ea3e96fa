"""A head as the page sees it: which model leads, which metrics matter, in which order things are shown."""

from dataclasses import dataclass
from typing import Any

from assay.market.evaluation import VOLATILITY_ONLY
from assay.report.facts import Facts, HeadFacts, ReportFacts
from assay.report.format import is_number, percent, slug

_ORDER = ("model", "ensemble", "volatility_only", "baseline")
_MATTERING = {
    "classification": (
        "direction_ic",
        "directional_accuracy_tradable",
        "mcc",
        "balanced_accuracy",
        "accuracy",
        "log_loss",
    ),
    "regression": ("ic", "rank_ic", "directional_accuracy", "r2_vs_zero", "rmse", "mae"),
}


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is named, explained and written."""

    label: str
    definition: str
    unit: str
    lower_is_better: bool


@dataclass(frozen=True)
class HeadView:
    """One head, arranged for reading.

    Attributes:
        name: Name of the head.
        facts: Its facts.
        lead: The model drawn large: the declared primary, otherwise the best of the tried models.
        metric: The metric that is read first.
        declared: Whether this head holds the primary declared before the run; all others are exploratory.
    """

    name: str
    facts: HeadFacts
    lead: str
    metric: str
    declared: bool

    @property
    def slug(self) -> str:
        """Prefix of the ids of this head."""
        return slug(self.name)

    @property
    def evaluation(self) -> Facts:
        """The evaluation of this head."""
        return self.facts.evaluation

    @property
    def models(self) -> tuple[str, ...]:
        """All models: the lead, the other models, ensembles of them, volatility-only twins, baselines."""
        names = self.evaluation["models"]
        return tuple(sorted(names, key=lambda name: (name != self.lead, _ORDER.index(self.part(name)))))

    @property
    def shown(self) -> tuple[str, ...]:
        """The models of the main tables: all but the volatility-only twins of models other than the lead."""
        return tuple(name for name in self.models if name not in self.twins)

    @property
    def twins(self) -> tuple[str, ...]:
        """Volatility-only twins of models other than the lead."""
        names = [name for name in self.models if self.role(name) == "volatility_only"]
        return tuple(name for name in names if name != VOLATILITY_ONLY.format(self.lead))

    @property
    def confidence(self) -> str:
        """Coverage of the intervals, e.g. ``95 %``."""
        return percent(self.evaluation["confidence"])

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics: those that matter, then the others as described."""
        described = self.evaluation["metric_info"]
        ordered = dict.fromkeys((self.metric, *_MATTERING[self.evaluation["kind"]], *described))
        return tuple(name for name in ordered if name in described)

    @property
    def key_metrics(self) -> tuple[str, ...]:
        """The few metrics that are drawn, the one read first in front."""
        return self.metrics[:6]

    @property
    def known(self) -> tuple[str, ...]:
        """Names of all models and ensembles that prose may speak of, those left out included."""
        return (*self.models, *self.facts.left_out, *self.facts.ensembles["left_out"])

    @property
    def best_first(self) -> tuple[str, ...]:
        """Models and ensembles, best first on the metric that is read first."""
        return ranked(self.evaluation, self.metric)

    @property
    def tried(self) -> tuple[str, ...]:
        """The same with the lead in front."""
        return (self.lead, *(name for name in self.best_first if name != self.lead))

    @property
    def top(self) -> tuple[str, ...]:
        """The lead and the two next best tried models: those that get large plots."""
        return self.tried[:3]

    def model(self, name: str) -> Facts:
        """Return the evaluation of one model."""
        found: Facts = self.evaluation["models"][name]
        return found

    def role(self, name: str) -> str:
        """Return ``model``, ``volatility_only`` or ``baseline``."""
        return str(self.model(name)["role"])

    def part(self, name: str) -> str:
        """Return the role of a contender, or ``ensemble`` for one that is made of other models."""
        return "ensemble" if name in self.facts.ensembles["contenders"] else self.role(name)

    def info(self, metric: str) -> MetricInfo:
        """Describe a metric."""
        found = self.evaluation["metric_info"][metric]
        return MetricInfo(found["label"], found["definition"], found["unit"], found["better"] == "lower")

    def estimate(self, model: str, metric: str) -> dict[str, Any]:
        """Return ``{"value", "low", "high"}`` of a model on the common folds."""
        return dict(self.model(model)["metrics"][metric])


def ranked(evaluation: Facts, metric: str) -> tuple[str, ...]:
    """Models and ensembles of an evaluation, best first on a metric; those without a value come last.

    Args:
        evaluation: The evaluation of a head.
        metric: One of its metrics.
    """
    sign = 1 if evaluation["metric_info"][metric]["better"] == "lower" else -1

    def place(name: str) -> tuple[float, str]:
        value = evaluation["models"][name]["metrics"][metric]["value"]
        return (sign * value if is_number(value) else float("inf"), name)

    return tuple(sorted((name for name, model in evaluation["models"].items() if model["role"] == "model"), key=place))


def first_metric(evaluation: Facts) -> str:
    """Return the metric that matters most among those of an evaluation."""
    described = evaluation["metric_info"]
    return next(str(name) for name in (*_MATTERING[evaluation["kind"]], *described) if name in described)


def head_view(facts: ReportFacts, name: str) -> HeadView:
    """Arrange one head of a report; its lead is the primary if it was declared on this head.

    Args:
        facts: The facts of the report.
        name: Name of the head.

    Returns:
        The view.
    """
    head = facts.heads[name]
    if facts.primary["head"] == name:
        return HeadView(name, head, str(facts.primary["model"]), str(facts.primary["metric"]), declared=True)
    metric = first_metric(head.evaluation)
    lead = next(iter((*ranked(head.evaluation, metric), *head.evaluation["models"])))
    return HeadView(name, head, lead, metric, declared=False)
