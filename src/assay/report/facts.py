"""What a report is built from: plain values out of the JSON datasets, checked once at the door."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from assay.market.audit.document import VERDICTS
from assay.market.verdict import Level
from assay.report.contract import (
    check_audit,
    check_evaluation,
    check_folds,
    check_rows,
    check_selection,
    known,
    need,
)
from assay.report.contract_evidence import (
    check_breakdown,
    check_contest,
    check_null,
    check_seeds,
    check_significance,
)
from assay.report.contract_money import check_backtest
from assay.report.contract_stages import check_calibration, check_ensembles, check_explanation, check_search

Facts = Mapping[str, Any]
LEVELS: tuple[Level, ...] = get_args(Level)
_DIGITS = 12  # of a hash on the page


@dataclass(frozen=True)
class Provenance:
    """What every figure carries: the ``run`` that made it, and one hash of all the ``data`` it read."""

    run: str
    data: str

    def __str__(self) -> str:
        """Write both in one line."""
        return f"run {self.run} · data {self.data}"


@dataclass(frozen=True)
class HeadFacts:
    """Everything known about one head of a workload.

    Attributes:
        kind: ``classification`` or ``regression``.
        profile: How much the run did: ``quick`` or ``full``, or a name of one's own.
        traded: Whether a position earns what is predicted; otherwise there is no backtest and nothing about money.
        evaluation: Metrics, folds, curves and comparisons per model (grain: model, metric), with ``metric_info``.
        receipts: One mapping per walk-forward fold: times as ISO strings, row counts.
        label_manifest: Rows, labelled rows, nulls by cause, threshold, horizon, execution.
        importance: Grain model, feature: ``mean``, ``std``, ``low`` and ``high`` over the folds.
        backtest: Per model, and for ``buy and hold`` and ``always flat``, its book: see ``trading.measure``.
        trials: Grain model, trial number: ``state`` (complete, pruned or failed), ``score`` (higher is better; None of
            a failed one), ``objective``, ``params``.
        searches: Per tuned model why its search ``stopped`` (None where nothing says so), and the ``spans`` it tried:
            ``low``, ``high`` and ``log``, or ``options``, per parameter.
        best_params: Chosen parameters per tuned model.
        costs: What trading is charged, in words; empty without a backtest.
        funding: How funding is charged, in one sentence; empty without a backtest.
        bundles: One mapping per model fitted on all labelled rows: ``model``, ``bundle_id``, ``training``.
        min_coverage: Share of its training part on which a feature must be defined to enter a fold.
        selections: One mapping per fold, oldest first: ``fold``, ``rows``, ``kept``, ``dropped`` (reason per feature),
            ``ranks`` (per method and feature, from 1), ``consensus`` (mean rank per feature).
        stability: How much the selections of the folds agree: ``estimate`` with its interval ``low``, ``high``, and
            ``features``: how often each was chosen, its mean consensus rank and the spread of it.
        class_shares: One mapping per fold: ``fold`` and the class shares of its ``train`` and ``test`` rows; empty for
            a regression head.
        fits: What every fit had seen, those of ensembles and calibration included: ``model``, ``fold``, ``what``,
            ``last_time_seen``, ``last_label_end``, ``test_start``.
        outer_trials: Configurations that had an out-of-sample result computed, ever.
        ensembles: ``contenders`` (what each is made of, its weights fold by fold), and those ``left_out`` with reasons.
        calibration: Per model how far its probabilities can be believed, or what its intervals cover.
        explanation: Per model the features by mean size of their SHAP values, fold by fold.
        shap_sample: Grain model, row, feature: ``value`` and ``shap``; at most 400 rows of one model.
        left_out: Models of the head that took part in no fit, with the reason.
        contest: The models held against each other: the set of those that cannot be told from the best, and tests of
            the best against its reference.
        significance: What is left of each Sharpe ratio after all that was ever tried; empty on a head that is not
            traded.
        seeds: The declared model fitted again from other seeds; its ``model`` is None where nothing was.

    Raises:
        DataError: Something that the page shows is missing.
    """

    kind: str
    profile: str
    traded: bool
    evaluation: Facts
    receipts: Sequence[Facts]
    label_manifest: Facts
    importance: Sequence[Facts]
    backtest: Facts
    trials: Sequence[Facts]
    searches: Mapping[str, Facts]
    best_params: Mapping[str, Facts]
    costs: str
    funding: str
    bundles: Sequence[Facts]
    min_coverage: float
    selections: Sequence[Facts]
    stability: Facts
    class_shares: Sequence[Facts]
    fits: Sequence[Facts]
    outer_trials: int
    ensembles: Facts
    calibration: Facts
    explanation: Facts
    shap_sample: Sequence[Facts]
    left_out: Mapping[str, str]
    contest: Facts
    significance: Facts
    seeds: Facts

    def __post_init__(self) -> None:
        """Refuse facts that are not whole."""
        check_evaluation(self.evaluation, self.kind)
        models = self.evaluation["models"]
        if self.traded:
            check_backtest(self.backtest, [name for name in models if models[name]["role"] != "volatility_only"])
            check_significance(self.significance, self.evaluation["skill"])
        need(
            "label_manifest",
            self.label_manifest,
            ("class_shares", "kind", "horizon", "threshold", "threshold_seen", "execution"),
        )
        for thing in ("receipts", "importance", "bundles", "class_shares", "fits"):
            check_rows(thing, getattr(self, thing))
        self._check_stages()
        check_selection(self.selections, self.stability)
        folds = [receipt["fold"] for receipt in self.receipts]
        check_folds("selections", self.selections, folds)
        check_folds("class_shares", self.class_shares, folds if self.kind == "classification" else [])
        for bundle in self.bundles:
            known("model of a bundle", bundle["model"], models)
            need(f"training of bundle {bundle['bundle_id']}", bundle["training"], ("rows", "last_label_end"))

    def _check_stages(self) -> None:
        models = self.evaluation["models"]
        check_search(self.searches, self.trials)
        check_ensembles(self.ensembles, models)
        check_calibration(self.calibration, self.kind, models)
        check_explanation(self.explanation, self.shap_sample)
        check_breakdown(self.evaluation)
        check_contest(self.contest, self.evaluation["skill"])
        check_seeds(self.seeds, self.evaluation["skill"])


@dataclass(frozen=True)
class ReportFacts:
    """Everything one report page shows; a value that is undefined is ``None``, never zero.

    Attributes:
        workload: Name of the workload.
        verdict: ``level`` (one of ``LEVELS``), ``headline``, ``reasons`` (``about`` and ``said``), ``wanted`` levels,
            and the written ``rules`` in their order (``name``, ``said``, and whether each ``holds``; None: not known).
        primary: The declared ``head``, ``model`` and ``metric``; everything else is exploratory.
        notes: Sentences a reader must know before any number.
        heads: Facts per head.
        absent: Heads that took no part, with the reason.
        catalogue: Features of the run and those disabled, with reasons.
        quality: Nested counts of the input checks.
        audit: The leak audit in whole: ``verdict``, what is ``said`` about it, whether a FAIL is ``allowed``, its
            ``tests`` and what they found about ``features``.
        manifest: ``facts`` (hashes, seeds, packages) and ``run`` (id, clock).
        null_calibration: How often the same rules found evidence where there was none; None where nobody looked.

    Raises:
        DataError: The verdict level is unknown, the primary names a head, model or metric that is not there, or
            something that the page shows is missing.
    """

    workload: str
    verdict: Facts
    primary: Facts
    heads: Mapping[str, HeadFacts]
    absent: Mapping[str, str]
    notes: Sequence[str]
    catalogue: Facts
    quality: Facts
    audit: Facts
    manifest: Facts
    null_calibration: Facts | None

    def __post_init__(self) -> None:
        """Refuse facts that contradict themselves or are not whole."""
        check_audit(self.audit, VERDICTS)
        self._check_verdict()
        need("catalogue", self.catalogue, ("feature_set_id", "features", "disabled"))
        need("quality", self.quality, ("entities", "notes"))
        need("manifest", self.manifest, ("facts", "run"))
        need("run of the manifest", self.manifest["run"], ("id",))
        need("facts of the manifest", self.manifest["facts"], ("inputs",))
        check_null(self.null_calibration)
        for thing in ("features", "disabled"):
            check_rows(thing, self.catalogue[thing])
        check_rows("entities", self.quality["entities"])

    @property
    def declared(self) -> HeadFacts:
        """The head of the declared primary."""
        return self.heads[self.primary["head"]]

    @property
    def provenance(self) -> Provenance:
        """The run, and one hash over the hashes of all its inputs."""
        inputs = json.dumps(self.manifest["facts"]["inputs"], sort_keys=True).encode()
        return Provenance(str(self.manifest["run"]["id"]), hashlib.sha256(inputs).hexdigest()[:_DIGITS])

    def _check_verdict(self) -> None:
        need("verdict", self.verdict, ("level", "headline", "reasons", "wanted", "rules", "judged_by"))
        known("verdict.level", self.verdict["level"], LEVELS[-1:] if self.audit["verdict"] == "FAIL" else LEVELS)
        for thing in ("reasons", "wanted", "rules"):
            check_rows(thing, self.verdict[thing])
        need("primary", self.primary, ("head", "model", "metric"))
        known("primary.head", self.primary["head"], self.heads)
        known("primary.model", self.primary["model"], self.declared.evaluation["models"])
        known("primary.metric", self.primary["metric"], self.declared.evaluation["metric_info"])
