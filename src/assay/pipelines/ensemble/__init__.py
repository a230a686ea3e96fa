"""Stage ``ensemble``: see the README beside this file."""

from assay.pipelines.ensemble.pipeline import create_pipeline

__all__ = ["create_pipeline"]
