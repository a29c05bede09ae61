"""DNA written by a model: under edits of its features, within constraints that hold by construction.

`write` draws many sequences at once, `measures` says how they differ and how natural they are, `constraints`
are what a user asks for, and `guide` keeps every row where all of them can still be met.
"""
