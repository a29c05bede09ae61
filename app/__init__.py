"""The browser: Streamlit pages that draw what ``workbench`` serves.

``main`` is the entry; every page is a file of ``pages``. Pages open a study through ``data``, put numbers
in words through ``words`` and draw through ``charts``. Nothing is computed here.
"""
