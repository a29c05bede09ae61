"""Concepts: weighted sets of features.

`concept` holds one, and says how strongly it is present and which edits paint it.
"""
