"""Placing: from the short names of a template to the names of the catalog."""

import inspect

import pytest
from kedro.pipeline import Pipeline, node

from assay.pipelines.placing import bind, full, place, total


def fit(model_input: int, rule: float, *, model: str) -> str:
    """Fits."""
    return f"{model_input} {rule} {model}"


def join(left: int, right: int) -> int:
    return left + right


@pytest.fixture
def template() -> Pipeline:
    return Pipeline(
        [
            node(len, ["features"], "labels", name="label"),
            node(join, ["labels", "params:models.{0}.{1}"], "model", name="fit"),
        ]
    )


@pytest.mark.parametrize(
    ("name", "where", "expected"),
    [
        ("features", ("equity", "signal", "xgboost"), "equity.features"),
        ("labels", ("equity", "signal", "xgboost"), "equity.signal.labels"),
        ("model", ("equity", "signal", "xgboost"), "equity.signal.xgboost.model"),
        ("xgboost/predictions", ("equity", "signal"), "equity.signal.xgboost.predictions"),
        ("signal/findings", ("equity",), "equity.signal.findings"),
        ("signal/findings", ("equity", "forward_return"), "equity.signal.findings"),
        ("lightgbm/model", ("equity", "signal", "xgboost"), "equity.signal.lightgbm.model"),
        ("signal/xgboost/model", ("equity",), "equity.signal.xgboost.model"),
    ],
)
def test_a_noun_stands_at_its_grain(name: str, where: tuple[str, ...], expected: str) -> None:
    assert full(name, *where) == expected


def test_a_placed_template_reads_and_writes_catalog_names(template: Pipeline) -> None:
    placed = place(template, "training", "equity", "signal", "xgboost")
    assert placed.inputs() == {"equity.features", "params:equity.models.signal.xgboost"}
    assert placed.all_outputs() == {"equity.signal.labels", "equity.signal.xgboost.model"}


def test_a_placed_node_carries_workload_stage_and_place(template: Pipeline) -> None:
    placed = place(template, "training", "equity", "signal", "xgboost")
    assert {n.name for n in placed.nodes} == {
        "equity.training.signal.xgboost.label",
        "equity.training.signal.xgboost.fit",
    }
    assert {n.namespace for n in place(Pipeline([node(len, "bars", "features")]), "s", "equity").nodes} == {"equity.s"}


def test_one_template_serves_many_places(template: Pipeline) -> None:
    models = ("xgboost", "lightgbm")
    step = template.only_nodes("fit")
    both = total(place(step, "training", "equity", "signal", model) for model in models)
    assert both.all_outputs() == {f"equity.signal.{model}.model" for model in models}
    assert both.inputs() == {"equity.signal.labels"} | {f"params:equity.models.signal.{model}" for model in models}


def test_the_total_of_none_is_empty() -> None:
    assert total([]).nodes == []


def test_a_bound_function_keeps_name_hints_and_doc() -> None:
    bound = bind(fit, model="xgboost")
    assert bound(1, 0.5) == "1 0.5 xgboost"
    assert (bound.__name__, bound.__doc__) == ("fit", "Fits.")
    assert inspect.get_annotations(bound) == inspect.get_annotations(fit)
