"""Assay: honest machine learning on market data."""

__version__ = "0.1.0"
