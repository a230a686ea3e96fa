"""What a report is built from: plain values out of the JSON datasets, checked once at the door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.market.errors import DataError

Facts = Mapping[str, Any]
LEVELS = ("no evidence", "weak", "evidence", "implausible")


@dataclass(frozen=True)
class HeadFacts:
    """Everything known about one head of a workload.

    Attributes:
        kind: ``classification`` or ``regression``.
        evaluation: Metrics, folds, curves and comparisons per model (grain: model, metric), with ``metric_info``.
        receipts: One mapping per walk-forward fold: times as ISO strings, row counts.
        label_manifest: Rows, labelled rows, nulls by cause, threshold, horizon, execution.
        importance: Grain model, feature: ``mean`` and ``std`` over the folds, optionally ``low`` and ``high``.
        backtest: Per model (and ``buy and hold``) ``performance`` and ``curve`` after costs.
        trials: Grain model, trial number: ``score``, ``objective``, ``params``.
        best_params: Chosen parameters per model.
        costs: Cost assumptions of the backtest, e.g. ``fee_bp``.
        funding: How funding is charged, in one sentence.
        bundles: One mapping per model fitted on all labelled rows: ``model``, ``bundle_id``, ``training``.
    """

    kind: str
    evaluation: Facts
    receipts: Sequence[Facts] = ()
    label_manifest: Facts = field(default_factory=dict)
    importance: Sequence[Facts] = ()
    backtest: Facts = field(default_factory=dict)
    trials: Sequence[Facts] = ()
    best_params: Facts = field(default_factory=dict)
    costs: Facts = field(default_factory=dict)
    funding: str = ""
    bundles: Sequence[Facts] = ()


@dataclass(frozen=True)
class ReportFacts:
    """Everything one report page shows; a value that is undefined is ``None``, never zero.

    Attributes:
        workload: Name of the workload.
        verdict: ``level`` (one of ``LEVELS``), ``headline``, ``reasons``, ``wanted`` levels.
        primary: The declared ``head``, ``model`` and ``metric``; everything else is exploratory.
        notes: Sentences a reader must know before any number.
        heads: Facts per head.
        catalogue: Features of the run and those disabled, with reasons.
        quality: Nested counts of the input checks.
        manifest: ``facts`` (hashes, seeds, packages) and ``run`` (id, clock).

    Raises:
        DataError: The verdict level is unknown, or the primary names a head or model that is not there, or
            a head has no model.
    """

    workload: str
    verdict: Facts
    primary: Facts
    heads: Mapping[str, HeadFacts]
    notes: Sequence[str] = ()
    catalogue: Facts = field(default_factory=dict)
    quality: Facts = field(default_factory=dict)
    manifest: Facts = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse facts that contradict themselves."""
        _known("verdict.level", self.verdict.get("level"), LEVELS)
        _known("primary.head", self.primary.get("head"), tuple(self.heads))
        models = {name: tuple(head.evaluation.get("models") or ()) for name, head in self.heads.items()}
        _known("primary.model", self.primary.get("model"), models[self.primary["head"]])
        for name, found in models.items():
            _known(f"models of head {name}", next(iter(found), None), found)


def _known(thing: str, found: object, allowed: tuple[str, ...]) -> None:
    if found not in allowed:
        raise DataError(
            f"report facts, {thing}",
            "unknown name",
            expected=", ".join(allowed) or "at least one",
            found=found,
            do="build the report from the evaluation and verdict of the same run",
        )
