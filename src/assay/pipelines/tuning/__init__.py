"""Stage ``tuning``: see the README beside this file."""

from assay.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
