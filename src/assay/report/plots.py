"""The few drawings that tell most, as a small page: what Kedro-Viz shows beside the lineage."""

from assay.report.facts import ReportFacts
from assay.report.format import spelled, title
from assay.report.page import environment
from assay.report.sections.breakdown import breakdown_block
from assay.report.sections.contest import contest_block
from assay.report.sections.costs import cost_block
from assay.report.view import head_view

_SECTIONS = (contest_block, cost_block, breakdown_block)


def build_plots(facts: ReportFacts) -> str:
    """Build the page of the key drawings of the declared primary's head: the first of each of a few sections.

    Args:
        facts: The facts of the report.

    Returns:
        One HTML page that loads nothing from elsewhere.
    """
    view = head_view(facts, facts.primary["head"])
    figures = [figure for section in _SECTIONS for figure in section(view).figures[:1]]
    page = environment(facts.provenance).get_template("plots.html")
    headline = spelled(facts.verdict["headline"], view.known)
    return page.render(workload=title(facts.workload), level=facts.verdict["level"], headline=headline, figures=figures)
