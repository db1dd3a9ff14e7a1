"""Gate of what the app's tracker sent; a retailer without an app has none, which is only said."""

from expectations.raw._events import EXPECTATIONS

__all__ = ["EXPECTATIONS"]
