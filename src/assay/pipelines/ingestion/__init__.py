"""Stage ``ingestion``: see the README beside this file."""

from assay.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
