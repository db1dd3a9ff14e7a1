"""Erasing a person: everywhere, for ever, with every channel told; see forget.py."""
