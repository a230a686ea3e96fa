"""The workload ``equity``: which heads it has and which models compete."""

from assay.market.workload import Head, Workload
from assay.workloads.equity.ingestion import create_ingestion

MODELS = ("xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "mlp")

EQUITY = Workload(
    name="equity",
    heads=(
        Head("signal", "classification", models=MODELS, baselines=("class_prior", "drift", "last_sign", "logistic")),
        Head(
            "forward_return",
            "regression",
            models=(*MODELS, "lstm"),
            baselines=("zero", "drift", "last_sign", "ridge"),
        ),
    ),
    ingestion=create_ingestion,
    feeds=("vix", "wti"),
    out_of_the_box=True,
)
