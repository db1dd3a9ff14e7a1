"""Gate of what the site's tracker sent; a retailer without a site has none, which is only said."""

from expectations.raw._events import EXPECTATIONS

__all__ = ["EXPECTATIONS"]
