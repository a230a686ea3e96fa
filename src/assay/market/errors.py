"""Errors a user can act on: which thing, what is wrong, expected, found, what to do."""


class AssayError(Exception):
    """Base of all errors that Assay raises on purpose.

    Args:
        thing: What the error is about, named as the user knows it (file, column, parameter, table).
        problem: What is wrong with it, in a few words.
        expected: What would have been right.
        found: What was there instead.
        do: What the user can do about it.
    """

    def __init__(
        self, thing: str, problem: str, *, expected: object = None, found: object = None, do: str | None = None
    ) -> None:
        self.thing, self.problem = thing, problem
        parts = [("expected", expected), ("found", found), ("what to do", do)]
        lines = [f"{thing}: {problem}", *(f"  {name}: {value}" for name, value in parts if value is not None)]
        super().__init__("\n".join(lines))


class DataError(AssayError):
    """Input data break a contract; the run stops and nothing is overwritten."""


class ConfigurationError(AssayError):
    """A parameter or a combination of parameters cannot work."""


class DivergedError(ConfigurationError):
    """Training diverged: these parameters cannot work on these rows, others may."""


class SplitError(AssayError):
    """The rows cannot be split as asked, e.g. a training part would be empty."""


class BundleError(AssayError):
    """A model bundle is damaged, of another kind, or belongs to other features."""


class LeakError(AssayError):
    """The leak audit found features that know the future; nothing may be trained on them."""
