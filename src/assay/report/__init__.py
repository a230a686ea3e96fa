"""The report: one self-contained page per workload, and the comparison table beside it."""

from assay.report.comparison import comparison_table
from assay.report.facts import HeadFacts, ReportFacts
from assay.report.page import build_report
from assay.report.plots import build_plots

__all__ = ["HeadFacts", "ReportFacts", "build_plots", "build_report", "comparison_table"]
