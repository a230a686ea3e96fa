"""Stage ``explanation``: see the README beside this file."""

from assay.pipelines.explanation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
