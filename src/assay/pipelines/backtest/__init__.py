"""Stage ``backtest``: see the README beside this file."""

from assay.pipelines.backtest.pipeline import create_pipeline

__all__ = ["create_pipeline"]
