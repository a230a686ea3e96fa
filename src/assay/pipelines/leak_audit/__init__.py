"""Stage ``leak_audit``: see the README beside this file."""

from assay.pipelines.leak_audit.pipeline import create_pipeline

__all__ = ["create_pipeline"]
