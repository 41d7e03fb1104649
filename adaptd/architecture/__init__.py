"""The architecture of a deployed network as a value, and the contract of what it takes and
gives."""

from adaptd.architecture.architecture import Architecture, Setting
from adaptd.architecture.contract import Contract
from adaptd.architecture.edit import Edit, diff, neighbours

__all__ = ["Architecture", "Contract", "Edit", "Setting", "diff", "neighbours"]
