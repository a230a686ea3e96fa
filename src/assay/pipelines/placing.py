"""Places a stage's template under ``<workload>.<stage>`` and knows the grain of every noun.

A template uses short names. A noun such as ``features`` becomes ``equity.features``; a noun of finer grain takes the
head and the model it is placed for: ``labels`` becomes ``equity.signal.labels``. A template that collects tables of a
finer grain names them with a slash: ``xgboost/predictions`` becomes ``equity.signal.xgboost.predictions``.
"""

from collections.abc import Callable, Iterable
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline

PER_HEAD = (
    "labels label_manifest model_input draft plan best_params inner_trials raw_oos left_out fold_shelf importance "
    "fits seeds combined ensembles second_stages oos calibration shap_values explanation model_index shelf champion "
    "ledger backtest outer_trials significance metrics contest findings"
)
PER_MODEL = "trials predictions fold_models model"
GRAIN = dict.fromkeys(PER_HEAD.split(), 2) | dict.fromkeys(PER_MODEL.split(), 3)
PARAMETERS = "params:"


def full(name: str, *where: str) -> str:
    """The catalog name of a template's ``name`` placed at workload, head, model: see the module's docstring."""
    *finer, noun = name.split("/")
    outer = where[: GRAIN.get(noun, 1) - len(finer)]
    return ".".join((*outer, *finer, noun))


def place(template: Pipeline, stage: str, workload: str, *inner: str) -> Pipeline:
    """The template under ``<workload>.<stage>`` and, if given, its head and model.

    Args:
        template: Pipeline with short names; ``params:models.{0}.{1}`` takes head and model from ``inner``.
        stage: Name of the stage.
        workload: Name of the workload.
        inner: Head, or head and model, the template is placed for.
    """
    where, free = (workload, *inner), template.inputs()
    return Pipeline(
        template,
        namespace=".".join((workload, stage, *inner)),
        inputs={name: full(name, *where) for name in free if not name.startswith(PARAMETERS)},
        outputs={name: full(name, *where) for name in template.all_outputs()},
        parameters={
            name: f"{PARAMETERS}{workload}.{name.removeprefix(PARAMETERS).format(*inner)}"
            for name in free
            if name.startswith(PARAMETERS)
        },
        prefix_datasets_with_namespace=False,
    )


def total(pipelines: Iterable[Pipeline]) -> Pipeline:
    """The sum of pipelines; an empty one for none."""
    return sum(pipelines, Pipeline([]))


def bind(func: Callable[..., Any], **fixed: object) -> Callable[..., Any]:
    """``func`` with some keywords fixed by the topology, under its own name and type hints."""
    return update_wrapper(partial(func, **fixed), func)
