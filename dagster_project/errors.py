"""Errors that a person can act on."""


class PerennialError(Exception):
    """One clear line that says what is wrong and what to do next; never shown with a traceback."""
