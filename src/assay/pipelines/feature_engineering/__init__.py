"""Stage ``feature_engineering``: see the README beside this file."""

from assay.pipelines.feature_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
