"""Rules that fire where concepts are present, while a model writes and along sequence that exists.

`rule` holds one and its sentence, `rule_set` a file of them, `watch` says where they fire, `direct` does what
they say to rows that are being written.
"""
