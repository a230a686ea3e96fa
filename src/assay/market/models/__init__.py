"""The models: one file per family, joined in one discriminated union."""

from typing import Annotated

from pydantic import ConfigDict, Field, RootModel

from assay.market.errors import AssayError, BundleError, ConfigurationError
from assay.market.models.base import Files, Model, ModelRule, Range, called
from assay.market.models.baselines import ClassPrior, Drift, LastSign, Zero
from assay.market.models.bins import BinnedModel, Bins
from assay.market.models.catboost import CatBoost
from assay.market.models.forest import RandomForest
from assay.market.models.hist_gradient_boosting import HistGradientBoosting
from assay.market.models.lightgbm import LightGBM
from assay.market.models.linear import Logistic, Ridge
from assay.market.models.lstm import LSTM
from assay.market.models.network import MLP
from assay.market.models.xgboost import XGBoost
from assay.market.workload import Kind

__all__ = ["Bins", "Files", "Model", "ModelParams", "ModelRule", "Range", "build", "called", "restore"]


class ModelParams(
    RootModel[
        Annotated[
            XGBoost
            | LightGBM
            | CatBoost
            | HistGradientBoosting
            | RandomForest
            | Logistic
            | Ridge
            | MLP
            | LSTM
            | ClassPrior
            | Zero
            | Drift
            | LastSign,
            Field(discriminator="kind"),
        ]
    ]
):
    """Parameters of any model; ``kind`` says of which. The parameters themselves are ``.root``."""

    model_config = ConfigDict(frozen=True)


def build(params: ModelRule, kind: Kind, *, seed: int, bins: Bins | None = None) -> Model:
    """An unfitted model.

    Args:
        params: Parameters of the family.
        kind: Kind of the head it shall predict.
        seed: Seed of everything the fit draws at random.
        bins: Where the families that bin their rows keep them for the next model that is fitted on the same rows; None
            = nowhere.

    Raises:
        ConfigurationError: The family cannot predict such a head, or its library is not installed.
    """
    _check_head(params, kind)
    if missing := params.missing():
        raise ConfigurationError(f"model {params.kind}", f"cannot be fitted here: {missing}")
    model = params.create(kind, seed=seed)
    if isinstance(model, BinnedModel):
        model.bins = bins
    return model


def restore(params: ModelRule, kind: Kind, files: Files) -> Model:
    """The fitted model of a bundle.

    Raises:
        ConfigurationError: The family cannot predict such a head.
        BundleError: A file is missing, damaged, or holds a type that is not trusted; or the family's library is not
            installed.
    """
    _check_head(params, kind)
    if missing := params.missing():
        raise BundleError(f"model {params.kind}", f"cannot be opened here: {missing}")
    try:
        return params.restore(files, kind)
    except AssayError:
        raise
    except Exception as error:  # every library has its own for a file that is damaged
        raise BundleError(
            f"model {params.kind}", f"cannot be opened ({error})", expected="the files of its bundle", do="train again"
        ) from error


def _check_head(params: ModelRule, kind: Kind) -> None:
    if kind not in params.heads:
        raise ConfigurationError(
            f"model {params.kind}",
            f"cannot predict a {kind} head",
            expected=" or ".join(sorted(params.heads)),
            found=kind,
            do="choose another model for this head",
        )
