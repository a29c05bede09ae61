"""A study as a folder: settings, manifest, ledger, inputs, and what it holds."""
