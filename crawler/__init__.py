"""An asyncio web crawler."""

__version__ = "0.1.0"
