"""Every name in the pipelines, the catalog and the parameters has its counterpart; each guard is seen failing once."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node
from kedro.validation.type_extractor import TypeExtractor
from pydantic import BaseModel, RootModel

from assay.datasets.files import AtomicFile
from assay.market.null_check.settings import merged
from assay.market.trading import BacktestRule
from assay.pipeline_registry import STAGES
from assay.pipelines.placing import GRAIN
from assay.workloads import WORKLOADS

Context = Any
Layers = dict[str, str | None]


@pytest.fixture(scope="module", params=["base", "files", "test"])
def context(request: pytest.FixtureRequest, root: Path) -> Iterator[Context]:
    bootstrap_project(root)
    with KedroSession.create(root, env=request.param) as session:
        yield session.load_context()


@pytest.fixture(scope="module")
def catalog(context: Context) -> DataCatalog:
    return context.catalog


@pytest.fixture(scope="module")
def everything(pipelines: dict[str, Pipeline]) -> Pipeline:
    return sum((pipelines[w.name] for w in WORKLOADS), Pipeline([]))


def step(inputs: str, output: str, stage: str = "ingestion") -> Pipeline:
    return Pipeline([node(len, inputs, output, name="x", namespace=f"equity.{stage}")])


def data_names(pipeline: Pipeline) -> set[str]:
    return {name for name in pipeline.datasets() if not name.startswith("params:") and name != "parameters"}


def homeless(pipeline: Pipeline, catalog: DataCatalog) -> list[str]:
    known = set(catalog.keys())
    return [n for n in data_names(pipeline) if n not in known and not catalog.config_resolver.match_dataset_pattern(n)]


def test_every_dataset_has_a_home(everything: Pipeline, catalog: DataCatalog) -> None:
    assert homeless(everything, catalog) == []
    assert homeless(step("params:equity.any", "equity.nowhere"), catalog) == ["equity.nowhere"]


def misplaced(pipeline: Pipeline) -> list[str]:
    return [n for n in data_names(pipeline) if n.count(".") != GRAIN.get(n.rsplit(".", 1)[-1], 1)]


def test_every_dataset_has_the_depth_of_its_noun(everything: Pipeline) -> None:
    assert misplaced(everything) == []


@pytest.mark.parametrize("wrong", ["equity.labels", "equity.signal.features", "equity.signal.xgboost.oos"])
def test_a_dataset_of_another_depth_is_seen(wrong: str) -> None:
    assert misplaced(step("params:equity.any", wrong)) == [wrong]


def layers(pipeline: Pipeline, catalog: DataCatalog) -> Layers:
    metadata = {n: catalog.get(n).metadata or {} for n in data_names(pipeline)}
    return {n: found.get("kedro-viz", {}).get("layer") for n, found in metadata.items()}


def test_every_dataset_has_a_layer(everything: Pipeline, catalog: DataCatalog) -> None:
    assert [n for n, layer in layers(everything, catalog).items() if not layer] == []
    bare = DataCatalog({name: MemoryDataset(1) for name in ("equity.bare", "equity.made")})
    assert layers(step("equity.bare", "equity.made"), bare) == {"equity.bare": None, "equity.made": None}


def without_receipt(pipeline: Pipeline, catalog: DataCatalog) -> list[str]:
    return [n for n in pipeline.all_outputs() if not isinstance(catalog.get(n), AtomicFile)]


def test_every_output_is_written_whole_and_carries_a_receipt(everything: Pipeline, catalog: DataCatalog) -> None:
    assert without_receipt(everything, catalog) == []
    memory = DataCatalog({"equity.bare": MemoryDataset(1)})
    assert without_receipt(step("params:equity.any", "equity.bare"), memory) == ["equity.bare"]


def outside(where: dict[str, str], layer: Layers) -> list[str]:
    return [name for name, path in where.items() if f"_{layer[name]}/" not in path]


def test_every_output_lies_in_the_folder_of_its_layer(everything: Pipeline, catalog: DataCatalog) -> None:
    where = {n: str(catalog.get(n)._filepath) for n in everything.all_outputs()}
    assert outside(where, layers(everything, catalog)) == []
    assert outside({"a": "data/04_feature/a"}, {"a": "models"}) == ["a"]


def order_layers(pipeline: Pipeline, layer: Layers) -> None:
    """Also where a namespace is drawn as one box: whatever goes in comes before whatever comes out."""
    boxes = {prefix for each in pipeline.nodes for prefix in each.namespace_prefixes}
    inside = [pipeline.only_nodes_with_namespaces([box]) for box in boxes]
    drawn = [(box.inputs(), seen_from_outside(box, pipeline)) for box in inside]
    before: dict[str | None, set[str | None]] = {}
    for inputs, outputs in [*drawn, *((set(each.inputs), set(each.outputs)) for each in pipeline.nodes)]:
        for out in outputs:
            before.setdefault(layer[out], set()).update(layer[i] for i in inputs if i in layer)
    TopologicalSorter({name: earlier - {name} for name, earlier in before.items()}).prepare()


def seen_from_outside(box: Pipeline, pipeline: Pipeline) -> set[str]:
    return box.outputs() | (box.all_outputs() & (pipeline - box).inputs())


def test_layers_follow_one_another(everything: Pipeline, catalog: DataCatalog) -> None:
    order_layers(everything, layers(everything, catalog))
    back = step("equity.a", "equity.b") + step("equity.b", "equity.c", "tuning")
    with pytest.raises(CycleError):
        order_layers(back, {"equity.a": "raw", "equity.b": "models", "equity.c": "raw"})


def asked_for(pipeline: Pipeline) -> dict[str, Any]:
    """Parameters by path, with the type hint that a node gives them; Kedro makes them what any node asks for."""
    found: dict[str, Any] = {}
    for each in pipeline.nodes:
        for name, hint in zip(each.inputs, hints(each), strict=False):
            path = name.removeprefix("params:")
            if name != path and not _forbids(found.get(path)):
                found[path] = hint
    return found


def hints(node: Node) -> list[object]:
    """Type hints of a node's inputs in their order, as far as they have one; Any for what goes into ``**``."""
    known, names = node.func.__annotations__, node._inputs
    if isinstance(names, dict):
        return [known.get(argument, Any) for argument in names]
    return list(known.values())


def leaves(block: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path


def unread(given: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    return [p for p in leaves(given) if not any(p == a or p.startswith(f"{a}.") for a in asked)]


def unchecked(asked: dict[str, Any]) -> list[str]:
    """Blocks whose keys nobody checks: a frozen model that forbids unknown keys does."""
    return [path for path, hint in asked.items() if not _forbids(hint)]


def _forbids(hint: object) -> bool:
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return False
    return issubclass(hint, RootModel) or hint.model_config.get("extra") == "forbid"


def test_every_parameter_is_read(everything: Pipeline, context: Context) -> None:
    given = {w.name: context.params[w.name] for w in WORKLOADS}
    assert unread(given, asked_for(everything)) == []
    assert unread({"equity": {"learning": {"seed": 1}, "learnin": {"seed": 2}}}, asked_for(everything)) == [
        "equity.learnin.seed"
    ]


def test_every_block_of_parameters_refuses_unknown_keys(everything: Pipeline) -> None:
    assert unchecked(asked_for(everything)) == []
    assert unchecked({"equity.learning": dict, "equity.splits": int}) == ["equity.learning", "equity.splits"]


@pytest.mark.parametrize("kind", ["fixed", "threshold", "volatility_target", "kelly", "rank_long_short"])
def test_the_command_line_can_choose_another_sizing(context: Context, kind: str) -> None:
    """Values of the command line are merged into the block of the file: fields of another kind would be left over."""
    for workload in WORKLOADS:
        given = merged(
            context.config_loader["parameters"][workload.name]["backtest"], {"policy": {"sizing": {"kind": kind}}}
        )
        assert BacktestRule.model_validate(given).policy.sizing.kind == kind


def raw(pipeline: Pipeline) -> list[str]:
    """Parameters that Kedro hands over as plain values, unchecked, when nothing but this pipeline is run."""
    typed = TypeExtractor({"alone": pipeline}).extract_types_from_pipelines()
    asked = (name.removeprefix("params:") for name in sorted(pipeline.inputs()) if name.startswith("params:"))
    return [path for path in asked if path not in typed]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_is_run_alone_types_its_parameters_itself(stage: str, pipelines: dict[str, Pipeline]) -> None:
    assert raw(pipelines[stage]) == []


def test_parameters_of_a_keyword_without_a_type_are_seen() -> None:
    def reads(**rules: int) -> int:
        return len(rules)

    asks = node(reads, {"rule": "params:equity.learning"}, "equity.out", name="asks", namespace="equity")
    assert raw(Pipeline([asks])) == ["equity.learning"]


def test_every_parameter_asked_for_is_given(everything: Pipeline, context: Context) -> None:
    given = set(leaves(context.params))
    assert [a for a in asked_for(everything) if not any(g == a or g.startswith(f"{a}.") for g in given)] == []


def test_registry_names_stages_and_workloads(pipelines: dict[str, Pipeline]) -> None:
    assert set(pipelines) == {*STAGES, *(w.name for w in WORKLOADS), "__default__", "null_check"}


def test_default_holds_only_what_runs_out_of_the_box(pipelines: dict[str, Pipeline]) -> None:
    found = {n.namespace.split(".")[0] for n in pipelines["__default__"].nodes}
    assert found == {w.name for w in WORKLOADS if w.out_of_the_box}


def test_nodes_are_named_by_workload_and_stage(everything: Pipeline) -> None:
    workloads = {w.name for w in WORKLOADS}
    assert [n.name for n in everything.nodes if n.name.split(".")[0] not in workloads] == []
    assert [n.name for n in everything.nodes if n.name.split(".")[1] not in STAGES] == []


def backwards(pipeline: Pipeline) -> list[tuple[str, str]]:
    stage = {n: STAGES.index(n.name.split(".")[1]) for n in pipeline.nodes}
    made_in = {out: stage[n] for n in pipeline.nodes for out in n.outputs}
    return [(n.name, name) for n in pipeline.nodes for name in n.inputs if made_in.get(name, 0) > stage[n]]


def test_stages_run_left_to_right(everything: Pipeline) -> None:
    assert backwards(everything) == []
    back = step("equity.a", "equity.b", "tuning") + step("equity.b", "equity.c", "ingestion")
    assert backwards(back) == [("equity.ingestion.x", "equity.b")]


def test_a_trial_is_told_by_the_labels_too(everything: Pipeline) -> None:
    """Another threshold of the labels is another trial."""
    asked = {name for each in everything.nodes if each.name.endswith(".record") for name in each.inputs}
    traded = {f"params:{w.name}.heads.{head.name}" for w in WORKLOADS for head in w.heads if head.traded}
    assert traded == {name for name in asked if ".heads." in name}
