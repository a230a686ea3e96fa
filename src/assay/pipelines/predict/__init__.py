"""Stage ``predict``: see the README beside this file."""

from assay.pipelines.predict.pipeline import create_pipeline

__all__ = ["create_pipeline"]
