"""Values written into a YAML text, whose comments and layout stay as they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from assay.market.errors import ConfigurationError

BEFORE = "search"  # a block of parameters reads: kind, values, ranges of the search


@dataclass(frozen=True)
class _Place:
    """A mapping in a text: its node, and the span of the alias that stands for it, if one does."""

    node: yaml.MappingNode
    alias: tuple[int, int] | None


def set_values(text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
    """Set some keys of the mapping at ``path``.

    A key that is there gets its new value in place; others go before ``search``, else to the end. An alias for the
    whole mapping becomes a mapping of its own that merges the alias: ``*a`` becomes ``{<<: *a, key: value}``.

    Args:
        text: The YAML text.
        path: Keys from the top down to the mapping.
        values: New value by key: a number, text, truth value, null, or a list of such.

    Returns:
        The new text.

    Raises:
        ConfigurationError: There is no such mapping, or it is part of an alias.
    """
    place = _find(text, path)
    if place.alias:
        start, end = place.alias
        items = [f"<<: {text[start:end]}", *(f"{name}: {_flow(value)}" for name, value in values.items())]
        return f"{text[:start]}{{{', '.join(items)}}}{text[end:]}"
    for name, value in values.items():
        text = _set_one(text, _find(text, path).node, name, _flow(value))
    return text


def _set_one(text: str, mapping: yaml.MappingNode, name: str, value: str) -> str:
    for key, node in mapping.value:
        if key.value == name:
            start, end = _alias(text, key, node) or (node.start_mark.index, _end(text, node))
            blank = "" if text[start - 1].isspace() else " "  # a key without a value
            return f"{text[:start]}{blank}{value}{text[end:]}"
    if mapping.flow_style:
        end = mapping.end_mark.index - 1
        comma = ", " if mapping.value else ""
        kept = text[:end].rstrip()
        return f"{kept}{comma}{name}: {value}{text[len(kept) :]}"
    first = next((key for key, _ in mapping.value if key.value == BEFORE), None)
    indent = " " * mapping.value[0][0].start_mark.column
    if first:
        at = first.start_mark.index - first.start_mark.column
        return f"{text[:at]}{indent}{name}: {value}\n{text[at:]}"
    end = text.find("\n", _end(text, mapping))
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n{indent}{name}: {value}{text[end:]}"


def _find(text: str, path: Sequence[str]) -> _Place:
    node, alias = yaml.compose(text, Loader=yaml.SafeLoader), None
    for depth, name in enumerate(path, start=1):
        if alias:
            raise _not_there(path[:depth], f"{'.'.join(path[: depth - 1])} is an alias for a larger block")
        found = [pair for pair in getattr(node, "value", ()) if isinstance(pair, tuple) and pair[0].value == name]
        if not found:
            raise _not_there(path[:depth], "no such key")
        key, node = found[-1]
        alias = _alias(text, key, node)
    if not isinstance(node, yaml.MappingNode):
        raise _not_there(path, "no mapping")
    return _Place(node, alias)


def _alias(text: str, key: yaml.Node, node: yaml.Node) -> tuple[int, int] | None:
    """Span of the alias that stands behind a key; None when the value itself stands there."""
    if node.start_mark.index > key.end_mark.index:
        return None
    found = re.compile(r"\s*:\s*(\*[^\s,\]}]+)").match(text, key.end_mark.index)
    return found.span(1) if found else None


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends; the mark of a block would be where the next thing begins, comments in between."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        key, last = node.value[-1]
        alias = _alias(text, key, last)
        return alias[1] if alias else _end(text, last)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    end: int = node.end_mark.index
    return end


def _flow(value: Any) -> str:  # noqa: ANN401
    """A value on one line. YAML's own writer: it reads 1e-05 as text, and writes 1.0e-05."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _not_there(path: Sequence[str], found: str) -> ConfigurationError:
    return ConfigurationError(
        ".".join(path),
        "cannot be written to",
        expected="parameters of a model in a block of their own, or an alias for exactly that block",
        found=found,
        do="write the block out, then apply again",
    )
