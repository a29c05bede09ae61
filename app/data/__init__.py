"""Which study is open, its tables and searches of them, read once for all pages."""
