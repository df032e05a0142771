"""Every way to fetch."""

from fetching import fetch_all

__all__ = ["fetch_all"]
