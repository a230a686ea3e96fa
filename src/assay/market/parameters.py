"""The base of every typed parameter block."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """A block of parameters from YAML: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
