"""Model inputs in, out-of-sample predictions out: every fit sees only its fold's training part."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.placing import bind, place, total
from assay.pipelines.walk_forward import nodes


def _validate(model: str) -> Pipeline:
    validate = bind(nodes.validate, model=model)
    inputs = ["model_input", "plan", "best_params", "params:models.{0}.{1}"]
    return Pipeline([node(validate, inputs, ["predictions", "fold_models"], name="validate")])


def _collect(head: Head) -> Pipeline:
    predictions = {model: f"{model}/predictions" for model in head.contenders}
    fold_models = {model: f"{model}/fold_models" for model in head.contenders}
    again = {name: name for name in ("model_input", "plan", "raw_oos", "fold_shelf")}
    again |= {"primary": "params:primary", "judged": "params:evaluation", "ensembles": "params:ensembles.{0}"}
    return Pipeline(
        [
            node(nodes.collect, predictions, "raw_oos", name="collect"),
            node(nodes.shelve, fold_models, "fold_shelf", name="shelve"),
            node(nodes.tell_left_out, fold_models, "left_out", name="tell_left_out"),
            node(nodes.rank_features, fold_models, "importance", name="rank_features"),
            node(nodes.reseed, again, "seeds", name="reseed"),
            node(nodes.collect_fits, fold_models, "fits", name="collect_fits"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``plan``, ``best_params`` -> ``raw_oos``, ``importance``, ``fits``, ``seeds``."""
    stage = "walk_forward"
    return total(
        total(place(_validate(m), stage, w.name, h.name, m) for m in h.contenders)
        + place(_collect(h), stage, w.name, h.name)
        for w in workloads
        for h in w.heads
    )
