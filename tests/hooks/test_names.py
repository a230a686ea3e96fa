"""A parameter that nothing reads stops the run."""

from pathlib import Path
from typing import Any

import pytest

from assay.hooks.names import refuse_idle, refuse_unknown, runtime_names
from assay.market.errors import ConfigurationError

ASKED = {"equity.learning", "equity.heads.signal", "equity.primary"}
READ = {"base": {"cache"}, "files": {"data_dir", "bars"}}


def check(given: dict[str, Any], env: str = "files") -> None:
    refuse_unknown(given, ASKED, READ, {"base", env})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"equity": {"learning": {"seed": 3}, "primary": {"head": "signal"}}},
        {"equity": {"learning": {"sed": 3}}},
        {"equity": {"heads": {"signal": {"horizon": 5}}}},
        {"data_dir": "prices", "bars": "klines.parquet", "cache": 1},
    ],
)
def test_what_a_node_or_a_catalog_reads_is_let_through(given: dict[str, Any]) -> None:
    check(given)


@pytest.mark.parametrize(
    ("given", "unknown", "close"),
    [
        ({"equity": {"learnin": {"seed": 3}}}, "equity.learnin", "equity.learning"),
        ({"equty": {"learning": {"seed": 3}}}, "equty", "equity"),
        ({"equity": {"heads": {"signl": {"horizon": 5}}}}, "equity.heads.signl", "equity.heads.signal"),
        ({"learning": {"seed": 3}}, "learning", "equity.learning"),
        ({"equity": {"heads": 5}}, "equity.heads", "equity.heads"),
        ({"bar": "klines.parquet"}, "bar", "bars"),
    ],
)
def test_what_nothing_reads_is_named_with_what_may_be_meant(given: dict[str, Any], unknown: str, close: str) -> None:
    pattern = rf"^parameter {unknown}: nothing reads a parameter of this name\n  expected: a name such as {close}"
    with pytest.raises(ConfigurationError, match=pattern):
        check(given)


def test_the_message_shows_every_value_and_what_to_do() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check({"bar": "klines.parquet", "equity": {"learnin": {"seed": 3}}})
    assert "\n  found: bar=klines.parquet, equity.learnin={'seed': 3}\n" in str(caught.value)
    assert "what to do: correct the name" in str(caught.value)


def test_a_name_far_from_all_others_gets_no_advice_about_them() -> None:
    with pytest.raises(ConfigurationError, match=r"of this name\n  found: zzz=1\n"):
        check({"zzz": 1})


def test_a_name_that_another_environment_reads_asks_for_that_environment() -> None:
    with pytest.raises(ConfigurationError, match=r"data_dir: nothing reads it in this run\n.*\n.*add --env files$"):
        check({"data_dir": "prices"}, env="base")


@pytest.mark.parametrize(
    ("given", "here"),
    [
        ({}, set()),
        ({"equity": {"learning": {"seed": 3}}, "bars": "klines.parquet"}, {"equity.learning"}),
        ({"equity": {"learning": {"seed": 3}}}, {"equity.learning.seed"}),
        ({"equity": {"heads": {"signal": {"horizon": 3}}}}, {"equity.heads"}),
    ],
)
def test_parameters_that_this_run_reads_are_let_through(given: dict[str, Any], here: set[str]) -> None:
    refuse_idle(given, ASKED, here)


@pytest.mark.parametrize(
    ("here", "expected"),
    [({"equity.primary"}, "equity.primary"), (set(), "no parameters: no node of this run reads any")],
)
def test_a_parameter_that_only_other_stages_read_is_refused(here: set[str], expected: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^parameter equity\.learning: no node of this run reads it"
    ) as caught:
        refuse_idle({"equity": {"learning": {"seed": 3}}}, ASKED, here)
    assert f"\n  expected: {expected}\n  found: equity.learning={{'seed': 3}}\n" in str(caught.value)


def test_runtime_names_are_found_in_every_environment(tmp_path: Path, root: Path) -> None:
    (tmp_path / "base" / "deep").mkdir(parents=True)
    (tmp_path / "base" / "deep" / "catalog.yml").write_text("a: [${runtime_params:x}, '${runtime_params: y.z,1}']")
    (tmp_path / "logging.yml").write_text("${runtime_params:no}")
    assert runtime_names(tmp_path) == {"base": {"x", "y"}}
    assert runtime_names(root / "conf")["files"] == {"data_dir", "bars", "funding", "open_interest"}
