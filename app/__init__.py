"""The browser: Streamlit pages that draw what ``workbench`` serves.

``main`` is the entry; every page is a file of ``screens``. ``canvas`` is the genome browser, ``feature`` the
sections of a feature's page, ``exports`` files and commands, ``setup`` a new study and its run, ``data`` the
open study and its caches. Nothing is computed here.
"""
