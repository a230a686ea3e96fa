"""Stage ``selection``: see the README beside this file."""

from assay.pipelines.selection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
