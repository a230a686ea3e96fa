"""What can be made of the models' answers: the parameters of every kind of ensemble, joined in one union."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, RootModel, field_validator

from assay.market.errors import ConfigurationError
from assay.market.models import ModelParams
from assay.market.parameters import Parameters
from assay.market.workload import Kind


def _distinct(members: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(members)) < len(members):
        raise ValueError(f"members: one is named twice in {list(members)}")
    return members


Members = Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_distinct)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Mean(Parameters):
    """The simple mean of the members' answers: every probability, or the return.

    Attributes:
        members: Models, or ensembles named before this one.
    """

    kind: Literal["mean"] = "mean"
    members: Members

    @property
    def reads(self) -> tuple[str, ...]:
        """Whose answers it needs."""
        return self.members


class SoftVoting(Parameters):
    """A mean with weights that were fixed beforehand.

    Attributes:
        weights: By member what its vote counts; divided by the sum over those that are present.
    """

    kind: Literal["soft_voting"] = "soft_voting"
    weights: dict[str, Positive] = Field(min_length=2)

    @property
    def reads(self) -> tuple[str, ...]:
        """Whose answers it needs."""
        return tuple(self.weights)


class Stacking(Parameters):
    """Weights learned from the members' out-of-sample answers of older folds: see `fit_log_pool` and `fit_ridge`.

    Attributes:
        members: Models, or ensembles named before this one.
        penalty: How hard weights are held at equal ones, in units of the members' own mean square.
        min_rows: Fewest rows that weights are learned from.
    """

    kind: Literal["stacking"] = "stacking"
    members: Members
    penalty: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    min_rows: int = Field(default=200, ge=10)

    @property
    def reads(self) -> tuple[str, ...]:
        """Whose answers it needs."""
        return self.members


class Meta(Parameters):
    """A second stage: whether a call of the base should be acted on (meta-labelling), see `contend_meta`.

    Attributes:
        base: Model, or ensemble named before this one, whose calls are judged.
        model: What judges them; a family that can learn right or wrong.
        threshold: Least probability of being right with which a call is let through. SHORT and LONG of any model
            have at least 1/3.
        min_rows: Fewest calls of earlier folds that the second stage is learned from.
    """

    kind: Literal["meta"] = "meta"
    base: str
    model: ModelParams
    threshold: float = Field(default=0.5, ge=1 / 3, lt=1)
    min_rows: int = Field(default=200, ge=50)

    @property
    def reads(self) -> tuple[str, ...]:
        """Whose answers it needs."""
        return (self.base,)

    @field_validator("model")
    @classmethod
    def _tells_right_from_wrong(cls, model: ModelParams) -> ModelParams:
        if "binary" not in model.root.heads:
            raise ValueError(f"model: {model.root.kind} cannot learn right or wrong, choose a classifier")
        return model


EnsembleRule = Annotated[Stacking | SoftVoting | Mean | Meta, Field(discriminator="kind")]


class EnsembleRules(RootModel[dict[Name, EnsembleRule]]):
    """The ensembles of a head by name, in the order in which they are made; ``kind`` says of which kind each is."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def none(cls) -> Self:
        """No ensemble."""
        return cls({})


def check_names(rules: EnsembleRules, contenders: Collection[str], *, kind: Kind) -> None:
    """Make sure that every ensemble is made of what there is.

    Args:
        rules: The ensembles of a head.
        contenders: Its models and baselines, those that a run leaves out included.
        kind: Kind of the head.

    Raises:
        ConfigurationError: An ensemble has the name of a model, names a member that is neither a model nor an ensemble
            before it, or needs classes that the head does not have.
    """
    there = list(contenders)
    for name, rule in rules.root.items():
        _require(name not in there, name, "has the name of a model", "a name of its own", name)
        unknown = [member for member in rule.reads if member not in there]
        expected = f"models of the head, or ensembles before it: {', '.join(there)}"
        _require(not unknown, name, "names members that this head does not have", expected, ", ".join(unknown))
        fits = rule.kind != "meta" or kind == "classification"
        _require(fits, name, "judges calls, and this head calls no class", "a classification head", kind)
        there.append(name)


def _require(holds: bool, name: str, problem: str, expected: str, found: str) -> None:
    if not holds:
        raise ConfigurationError(
            f"ensemble '{name}'", problem, expected=expected, found=found, do="correct the block 'ensembles'"
        )


def equal_weights(members: Collection[str]) -> Mapping[str, float]:
    """The same weight for everyone."""
    return dict.fromkeys(members, 1 / len(members))
