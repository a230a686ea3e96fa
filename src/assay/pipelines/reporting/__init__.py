"""Stage ``reporting``: see the README beside this file."""

from assay.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
