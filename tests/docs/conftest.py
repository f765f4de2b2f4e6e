"""Fixtures of the published homes that the documents are tried on."""

from tests.flows.rich_home import rich_home
from tests.flows.small_home import base_home, market

__all__ = ["base_home", "market", "rich_home"]
