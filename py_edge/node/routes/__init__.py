"""The handlers of the HTTP routes, one file per noun; `app.py` lists them."""
