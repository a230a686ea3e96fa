"""The families there are: a file each in ``families/``, imported when a rule names it, and those defined elsewhere."""

from importlib import import_module
from pkgutil import iter_modules

import assay.market.features.families as package
from assay.market.errors import ConfigurationError
from assay.market.features.feature import REGISTRY, Feature


def families() -> list[str]:
    """Names of all families, those that a notebook has defined included, in alphabetical order."""
    return sorted({*_files(), *(feature.family for feature in REGISTRY.values())})


def load_family(name: str) -> list[Feature]:
    """The features of a family, in the order in which they are defined.

    Args:
        name: One of `families`.

    Raises:
        ConfigurationError: The file of this name defines no feature of a family of this name.
    """
    if name in _files():
        import_module(f"{package.__name__}.{name}")
    found = [feature for feature in REGISTRY.values() if feature.family == name]
    if not found:
        raise ConfigurationError(
            f"family {name}",
            "its file defines no feature of this family",
            expected=f'Family("{name}") with at least one decorated function',
            found=families(),
            do=f"give the family in families/{name}.py the name of its file",
        )
    return found


def _files() -> set[str]:
    return {module.name for module in iter_modules(package.__path__)}
