"""Stage ``null_check``: repeats the whole pipeline where there is nothing to find."""

from assay.pipelines.null_check.pipeline import create_pipeline

__all__ = ["create_pipeline"]
