"""The workload ``crypto``: which heads it has and which models compete."""

from assay.market.workload import Head, Workload
from assay.workloads.crypto.ingestion import create_ingestion

MODELS = ("xgboost", "lightgbm", "random_forest")

CRYPTO = Workload(
    name="crypto",
    heads=(
        Head("signal", "classification", models=MODELS, baselines=("class_prior", "drift", "last_sign", "logistic")),
        Head("forward_return", "regression", models=MODELS, baselines=("zero", "drift", "last_sign", "ridge")),
    ),
    ingestion=create_ingestion,
    feeds=("funding", "open_interest"),
    funding="funding",
)
