"""Sections of the report: each module turns facts into one block of words, figures and tables."""
