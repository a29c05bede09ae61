"""The browser: Streamlit pages that draw what ``workbench`` serves."""
