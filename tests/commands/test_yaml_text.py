"""Values written into YAML: what is parsed afterwards, and what stays as it was."""

import pytest
import yaml

from assay.commands.yaml_text import set_values
from assay.market.errors import ConfigurationError

TEXT = """\
# The first comment.
top:
  models:
    tree: &tree
      kind: tree   # of a family
      depth: 3     # deep enough
      layers:
        - 64
        - 32
      # a remark about the search
      search:
        depth: {low: 1, high: 9}
    again: *tree   # the same
    flow: {kind: tree, depth: 3, search: {}}
    empty: {}
    last:
      kind: tree
      hollow:
      like: *tree

other: 5  # the last comment
"""


def parsed(text: str, name: str) -> object:
    return yaml.safe_load(text)["top"]["models"][name]


def changed_lines(text: str) -> tuple[set[str], set[str]]:
    before, after = set(TEXT.splitlines()), set(text.splitlines())
    return before - after, after - before


def test_a_value_is_replaced_where_it_stands() -> None:
    text = set_values(TEXT, ("top", "models", "tree"), {"depth": 5})
    assert changed_lines(text) == ({"      depth: 3     # deep enough"}, {"      depth: 5     # deep enough"})


def test_a_new_key_goes_before_the_search() -> None:
    text = set_values(TEXT, ("top", "models", "tree"), {"rate": 1e-05, "name": None})
    lines = text.splitlines()
    at = lines.index("      search:")
    assert lines[at - 3 : at] == ["      # a remark about the search", "      rate: 1.0e-05", "      name: null"]
    assert parsed(text, "tree")["rate"] == 1e-05  # type: ignore[index]
    assert changed_lines(text)[0] == set()


def test_a_new_key_goes_to_the_end_of_a_block_without_a_search() -> None:
    text = set_values(TEXT, ("top", "models", "last"), {"depth": 5})
    assert "      like: *tree\n      depth: 5\n\nother" in text
    assert set_values("a:\n  b: 1", ("a",), {"c": 2}) == "a:\n  b: 1\n  c: 2"


def test_a_list_is_written_on_one_line() -> None:
    text = set_values(TEXT, ("top", "models", "tree"), {"layers": [128, 64, 32]})
    assert parsed(text, "tree")["layers"] == [128, 64, 32]  # type: ignore[index]
    assert "      # a remark about the search\n" in text


def test_an_alias_becomes_a_block_that_merges_it() -> None:
    text = set_values(TEXT, ("top", "models", "again"), {"depth": 5, "rate": 0.1})
    assert "    again: {<<: *tree, depth: 5, rate: 0.1}   # the same\n" in text
    assert parsed(text, "again") == {**parsed(TEXT, "tree"), "depth": 5, "rate": 0.1}  # type: ignore[dict-item]
    twice = set_values(text, ("top", "models", "again"), {"depth": 7})
    assert "    again: {<<: *tree, depth: 7, rate: 0.1}   # the same\n" in twice


def test_blocks_on_one_line() -> None:
    text = set_values(TEXT, ("top", "models", "flow"), {"depth": 5, "rate": 0.1})
    assert "    flow: {kind: tree, depth: 5, search: {}, rate: 0.1}\n" in text
    assert "    empty: {depth: 5}\n" in set_values(TEXT, ("top", "models", "empty"), {"depth": 5})


def test_a_key_without_a_value_and_one_whose_value_is_an_alias() -> None:
    assert "      hollow: 5\n" in set_values(TEXT, ("top", "models", "last"), {"hollow": 5})
    assert "      like: 5\n" in set_values(TEXT, ("top", "models", "last"), {"like": 5})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("top", "models", "nobody"), "no such key"),
        (("nobody",), "no such key"),
        (("top", "models", "again", "search"), r"top.models.again is an alias for a larger block"),
        (("top", "models", "tree", "depth"), "no mapping"),
        (("top", "models", "tree", "layers", "64"), "no such key"),
    ],
)
def test_what_is_no_block_of_its_own_is_refused(path: tuple[str, ...], found: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"cannot be written to(.|\n)*found: {found}"):
        set_values(TEXT, path, {"depth": 5})
