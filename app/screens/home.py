"""The root address redirects to the open study or the start page, so that those have addresses too."""

import streamlit as st

from app.data.study import chosen_folder
from workbench import InputError

try:
    first = "overview" if chosen_folder() else "start"
except InputError:
    # The start page says what is wrong with the address.
    first = "start"
st.switch_page(f"screens/{first}.py", query_params=st.query_params.to_dict())
