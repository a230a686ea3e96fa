"""Stage ``walk_forward``: see the README beside this file."""

from assay.pipelines.walk_forward.pipeline import create_pipeline

__all__ = ["create_pipeline"]
