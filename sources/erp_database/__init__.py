"""The ERP read from its own PostgreSQL: what changed lands as files, and the road goes on as ever.

One folder a kind of ERP, in it one `.sql` for each table of the contract (`tryton/orders.sql`, and
of another source `odoo/pos_stores.sql`): a query for all its rows with the contract's columns and
`_changed_at`, the newest change of anything that the row is made of, or null for a row that is to
be read each time.
"""

from sources.erp_database.collect import Collected, collect
from sources.erp_database.mapping import kinds

__all__ = ["Collected", "collect", "kinds"]
