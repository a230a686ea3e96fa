"""Stage ``training``: see the README beside this file."""

from assay.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
