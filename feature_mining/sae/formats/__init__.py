"""Autoencoders as other libraries store them: one file a format, detected by content.

``read`` gives our inference form, ``write`` the library's own files. Nothing stored in a file is ever run.
"""

from feature_mining.sae.formats.registry import FORMATS, detect, read, write

__all__ = ["FORMATS", "detect", "read", "write"]
