"""Files on disk: written whole or not at all, arrays kept open, text tables."""
