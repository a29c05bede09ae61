"""A new study: its files and settings, and its run watched."""
