"""Fixtures of the small market, for every test of flows/."""

from tests.flows.small_home import base_files, base_home, home, market

__all__ = ["base_files", "base_home", "home", "market"]
