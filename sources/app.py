"""The mobile app: events of its users."""

from sources.events import event_table

TABLES = (event_table("app", "One row an event that the mobile app, or its server, sent."),)
