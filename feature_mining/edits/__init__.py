"""Changes of features inside a running model.

`places` says where an edit acts, `edit` holds the kinds of edits, `plan` orders and writes them down,
`steps` makes new values, `apply` turns plans into what a model takes, `passes` runs a model under plans,
`effect` says what they did.
"""
