"""Concepts: weighted sets of features.

`concept` holds one, and says how strongly it is present and which edits paint it; `arithmetic` adds them up,
`factors` and `contrast` find them, `opened` takes one apart.
"""
