"""Drawings of the report: matplotlib in, theme-following inline SVG out."""
