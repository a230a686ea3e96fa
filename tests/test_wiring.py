"""Every name in the pipelines, the catalog and the parameters has its counterpart."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from assay.datasets.files import AtomicFile
from assay.pipelines.placing import GRAIN, full
from assay.workloads import WORKLOADS

Context = Any
STAGES = {"ingestion", "feature_engineering", "tuning", "walk_forward", "training", "predict", "backtest", "reporting"}


@pytest.fixture(scope="module", params=["base", "files"])
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


def data_names(pipeline: Pipeline) -> set[str]:
    return {name for name in pipeline.datasets() if not name.startswith("params:") and name != "parameters"}


def stray(output: str) -> Pipeline:
    return Pipeline([node(len, "params:equity.any", output, namespace="equity")])


def homeless(pipeline: Pipeline, catalog: DataCatalog) -> list[str]:
    known = set(catalog.keys())
    return [n for n in data_names(pipeline) if n not in known and not catalog.config_resolver.match_dataset_pattern(n)]


def misplaced(pipeline: Pipeline) -> list[str]:
    return [n for n in data_names(pipeline) if n.count(".") != GRAIN.get(n.rsplit(".", 1)[-1], 1)]


def test_every_dataset_has_a_home(everything: Pipeline, catalog: DataCatalog) -> None:
    assert homeless(everything, catalog) == []


def test_a_dataset_without_a_home_is_seen(catalog: DataCatalog) -> None:
    assert homeless(stray("equity.nowhere"), catalog) == ["equity.nowhere"]


def test_every_dataset_has_the_depth_of_its_noun(everything: Pipeline) -> None:
    assert misplaced(everything) == []


@pytest.mark.parametrize("wrong", ["equity.labels", "equity.signal.features", "equity.signal.xgboost.oos"])
def test_a_dataset_of_another_depth_is_seen(wrong: str) -> None:
    assert misplaced(stray(wrong)) == [wrong]


def test_every_dataset_has_a_layer(everything: Pipeline, catalog: DataCatalog) -> None:
    layers = {n: (catalog.get(n).metadata or {}).get("kedro-viz", {}).get("layer") for n in data_names(everything)}
    assert [n for n, layer in layers.items() if not layer] == []


def test_every_output_is_written_whole_and_carries_a_receipt(everything: Pipeline, catalog: DataCatalog) -> None:
    assert [n for n in everything.all_outputs() if not isinstance(catalog.get(n), AtomicFile)] == []


def test_every_output_lies_in_the_folder_of_its_layer(everything: Pipeline, catalog: DataCatalog) -> None:
    layer = {n: catalog.get(n).metadata["kedro-viz"]["layer"] for n in everything.all_outputs()}
    assert [n for n, name in layer.items() if f"_{name}/" not in str(catalog.get(n)._filepath)] == []


def test_layers_follow_one_another(everything: Pipeline, catalog: DataCatalog) -> None:
    """Also where a namespace is drawn as one box: whatever goes in comes before whatever comes out."""
    layer = {n: catalog.get(n).metadata["kedro-viz"]["layer"] for n in data_names(everything)}
    boxes = {prefix for step in everything.nodes for prefix in step.namespace_prefixes}
    inside = [everything.only_nodes_with_namespaces([box]) for box in boxes]
    steps = [(box.inputs(), seen_from_outside(box, everything)) for box in inside]
    before: dict[str, set[str]] = {}
    for inputs, outputs in [*steps, *((set(step.inputs), set(step.outputs)) for step in everything.nodes)]:
        for out in outputs:
            before.setdefault(layer[out], set()).update(layer[i] for i in inputs if i in layer)
    TopologicalSorter({name: earlier - {name} for name, earlier in before.items()}).prepare()


def seen_from_outside(box: Pipeline, everything: Pipeline) -> set[str]:
    return box.outputs() | (box.all_outputs() & (everything - box).inputs())


def parameters_asked_for(pipeline: Pipeline) -> set[str]:
    return {name.removeprefix("params:") for name in pipeline.datasets() if name.startswith("params:")}


def leaves(block: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path


def test_every_parameter_is_read(everything: Pipeline, context: Context) -> None:
    asked = parameters_asked_for(everything)
    names = {w.name for w in WORKLOADS}
    given = [path for path in leaves(context.params) if path.split(".")[0] in names]
    assert given
    assert [p for p in given if not any(p == a or p.startswith(f"{a}.") for a in asked)] == []


def test_every_parameter_asked_for_is_given(everything: Pipeline, context: Context) -> None:
    given = set(leaves(context.params))
    asked = parameters_asked_for(everything)
    assert [a for a in asked if not any(g == a or g.startswith(f"{a}.") for g in given)] == []


def test_registry_names_stages_and_workloads(pipelines: dict[str, Pipeline]) -> None:
    assert set(pipelines) == STAGES | {w.name for w in WORKLOADS} | {"__default__"}


def test_default_holds_only_what_runs_out_of_the_box(pipelines: dict[str, Pipeline]) -> None:
    found = {n.namespace.split(".")[0] for n in pipelines["__default__"].nodes}
    assert found == {w.name for w in WORKLOADS if w.out_of_the_box}


def test_nodes_are_named_by_workload_and_stage(everything: Pipeline) -> None:
    workloads = {w.name for w in WORKLOADS}
    assert [n.name for n in everything.nodes if n.name.split(".")[0] not in workloads] == []
    assert [n.name for n in everything.nodes if n.name.split(".")[1] not in STAGES] == []


def test_stages_run_left_to_right(everything: Pipeline) -> None:
    order = [
        "ingestion",
        "feature_engineering",
        "tuning",
        "walk_forward",
        "training",
        "predict",
        "backtest",
        "reporting",
    ]
    made_in = {out: order.index(n.name.split(".")[1]) for n in everything.nodes for out in n.outputs}
    backwards = [
        (n.name, name)
        for n in everything.nodes
        for name in n.inputs
        if made_in.get(name, 0) > order.index(n.name.split(".")[1])
    ]
    assert backwards == []


def test_full_places_a_noun_at_its_grain() -> None:
    where = ("equity", "signal", "xgboost")
    assert full("features", *where) == "equity.features"
    assert full("labels", *where) == "equity.signal.labels"
    assert full("model", *where) == "equity.signal.xgboost.model"
    assert full("xgboost/predictions", "equity", "signal") == "equity.signal.xgboost.predictions"
    assert full("signal/findings", "equity") == "equity.signal.findings"
