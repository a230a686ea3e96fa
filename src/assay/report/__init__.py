"""The report: one self-contained page per workload, and the comparison table beside it."""

from assay.report.comparison import comparison_table
from assay.report.facts import HeadFacts, ReportFacts
from assay.report.page import build_report

__all__ = ["HeadFacts", "ReportFacts", "build_report", "comparison_table"]
