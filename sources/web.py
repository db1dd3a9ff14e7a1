"""The web shop: events of its visitors."""

from sources.events import event_table

TABLES = (
    event_table("web", "One row an event that a visitor's browser, or the shop for it, sent."),
)
