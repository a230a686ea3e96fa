"""One run: the registered pipeline of a workload, from other tables to its verdict, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from time import perf_counter
from typing import Any

from kedro.io import AbstractDataset, DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from assay.market.evaluation import EvaluationRule
from assay.market.features.partitions import FeatureTable, assembled
from assay.market.null_check import (
    NullCheckRule,
    Task,
    WorkloadCheck,
    longest_label,
    market_rule,
    raw_tables,
    rules_digest,
    settings_of,
    shift_features,
    shortened,
)
from assay.market.null_check.tasks import SHIFT
from assay.market.trading import BacktestRule
from assay.market.verdict import VerdictRule

Tables = dict[str, Any]
Record = dict[str, Any]

PARAMETERS = "params:"
JUDGED_ON = ("rows", "effective_rows")


@dataclass(frozen=True)
class Setup:
    """What every run of a workload is given; it goes to other processes.

    Attributes:
        workload: Name of a registered pipeline.
        rule: The null check.
        block: The workload's own parameters, plain values.
        own: The workload's newest outputs by noun.
    """

    workload: str
    rule: NullCheckRule
    block: Mapping[str, Any]
    own: Mapping[str, Any]

    @property
    def check(self) -> WorkloadCheck:
        """What the runs of this workload look at."""
        return self.rule.workloads[self.workload]

    def told(self) -> dict[str, Any]:
        """What is calibrated, and how the runs differ from the workload's own."""
        digest = rules_digest(
            VerdictRule.model_validate(self.block["verdict"]),
            EvaluationRule.model_validate(self.block["evaluation"]),
            BacktestRule.model_validate(self.block["backtest"]),
        )
        planted = self.rule.planted.model_dump(mode="json") if self.rule.planted.runs else None
        profile = self.check.model_dump(mode="json") | {"seed": self.rule.seed, "universe": "fixed", "planted": planted}
        return {"rules": digest, "profile": profile}

    def settings(self, task: Task) -> dict[str, Any]:
        """The workload's parameters as they are in a run."""
        return settings_of(task, self.block, self.rule, self.check)

    def tables(self, task: Task) -> Tables:
        """Tables that a run starts from, by noun: the workload's own with other features, or those of a market.

        The audit is the workload's own: the code of the features is the same.
        """
        if task.kind != SHIFT:
            raw = raw_tables(
                self.check.tables, market_rule(task, self.rule, self.check), times=self.own["bars"]["time"]
            )
            return {**raw, "audit": self.own["audit"]}
        own = shortened(self.own, self.check.newest)
        memory = max((each["warm_up"] for each in own["feature_catalogue"]["features"]), default=0)
        horizon = longest_label(self.block)
        return own | {"features": shift_features(own["features"], horizon=horizon, memory=memory, seed=task.seed)}


class Assembled(MemoryDataset):
    """Features as the feature store gives them back: one table."""

    def save(self, data: FeatureTable) -> None:
        """Put the parts together."""
        super().save(assembled([part.frame for part in data.partitions if part.frame is not None]))


class Kept(MemoryDataset):
    """What is looked at after a run too."""

    def _release(self) -> None:
        return


def run_once(setup: Setup, task: Task) -> Record:
    """Repeat the pipeline of a workload, from the tables of a run to the verdict.

    Returns:
        ``kind``, ``number``, ``seed``; ``level`` and ``rules`` of the verdict, ``ic`` of the judged model with its
        interval, ``rows`` and ``effective_rows`` it was judged on, and ``seconds``.
    """
    started = perf_counter()
    verdict, metrics, primary = judged(setup, setup.tables(task), setup.settings(task))
    judgement = metrics["models"][primary.model]["metrics"][primary.metric]
    return {
        "kind": task.name,
        "number": task.number,
        "seed": task.seed,
        "level": verdict["level"],
        "rules": {rule["name"]: rule["holds"] for rule in verdict.get("rules", ())},
        "ic": {key: judgement[key] for key in ("value", "low", "high")},
        **{key: metrics[key] for key in JUDGED_ON},
        "seconds": perf_counter() - started,
    }


def judged(setup: Setup, tables: Tables, settings: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Verdict, metrics of the head it is about, and the claim that is judged.

    Args:
        setup: The workload.
        tables: What the run starts from, by noun.
        settings: The workload's parameters in this run.
    """
    from kedro.runner import SequentialRunner
    from optuna.storages import InMemoryStorage

    from assay.pipeline_registry import register_pipelines

    name = setup.workload
    given = {f"{name}.{noun}": table for noun, table in tables.items()} | {f"{name}.feature_partitions": {}}
    path = between(register_pipelines()[name], given, f"{name}.verdict")
    known = typed(path, {name: settings})
    primary = known[f"{PARAMETERS}{name}.primary"]
    looked_at = (f"{name}.verdict", f"{name}.{primary.head}.metrics")
    datasets: dict[str, AbstractDataset[Any, Any]] = dict(
        {f"{name}.studies": MemoryDataset(InMemoryStorage(), copy_mode="assign"), f"{name}.features": Assembled()}
        | {each: Kept() for each in looked_at}
        | {each: MemoryDataset(data) for each, data in {**given, **known}.items()}
    )
    catalog = DataCatalog(datasets)
    SequentialRunner().run(path, catalog)
    verdict, metrics = map(catalog.load, looked_at)
    return verdict, metrics, primary


def between(whole: Pipeline, given: Collection[str], wanted: str) -> Pipeline:
    """The nodes that make a dataset when others are given; they need not make those."""
    needed, nodes = {wanted}, []
    for node in reversed(whole.nodes):
        if needed & set(node.outputs):
            nodes.append(node)
            needed |= set(node.inputs) - set(given)
    return Pipeline(nodes)


def typed(path: Pipeline, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a pipeline asks for, by their names in it, as Kedro gives them to its nodes.

    Raises:
        ParameterValidationError: A value is refused by the type that a node asks for.
    """
    from kedro.validation.parameter_validator import ParameterValidator

    known = ParameterValidator({"run": path}).validate_raw_params(dict(parameters))
    asked = [name for name in path.inputs() if name.startswith(PARAMETERS)]
    return {name: reduce(getitem, name.removeprefix(PARAMETERS).split("."), known) for name in asked}
