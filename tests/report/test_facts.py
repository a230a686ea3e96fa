"""Facts that contradict themselves are refused."""

from collections.abc import Callable

import pytest

from assay.market.errors import DataError
from assay.report import ReportFacts


def test_unknown_level_is_an_error(facts: ReportFacts, change: Callable[..., ReportFacts]) -> None:
    with pytest.raises(
        DataError, match=r"verdict\.level: unknown name\n  expected: no evidence, weak, .*\n  found: good"
    ):
        change(verdict={**facts.verdict, "level": "good"})


@pytest.mark.parametrize(("field", "name"), [("head", "price"), ("model", "lstm")])
def test_primary_that_is_not_there_is_an_error(
    facts: ReportFacts, change: Callable[..., ReportFacts], field: str, name: str
) -> None:
    with pytest.raises(DataError, match=rf"primary\.{field}: unknown name(.|\n)*found: {name}"):
        change(primary={**facts.primary, field: name})


def test_head_without_models_is_an_error(facts: ReportFacts, change: Callable[..., ReportFacts]) -> None:
    empty = type(facts.heads["signal"])("classification", {"models": {}})
    with pytest.raises(DataError, match="models of head extra"):
        change(heads={**facts.heads, "extra": empty})
