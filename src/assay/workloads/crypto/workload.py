"""The workload ``crypto``: which heads it has and which models compete."""

from assay.market.workload import Head, Workload
from assay.workloads.crypto.ingestion import create_ingestion

MODELS = ("xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "mlp")

CRYPTO = Workload(
    name="crypto",
    heads=(
        Head("signal", "classification", models=MODELS, baselines=("class_prior", "drift", "last_sign", "logistic")),
        Head(
            "forward_return",
            "regression",
            models=(*MODELS, "lstm"),
            baselines=("zero", "drift", "last_sign", "ridge"),
        ),
        Head(
            "open_interest",
            "regression",
            models=("xgboost", "lightgbm", "lstm"),
            baselines=("zero", "drift", "ridge"),
            traded=False,
        ),
    ),
    ingestion=create_ingestion,
    feeds=("funding", "open_interest"),
    funding="funding",
    out_of_the_box=True,
)
