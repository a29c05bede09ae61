"""One file a page; `app.main` lists them."""
