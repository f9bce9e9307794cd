"""One process per place: the Starlette app around tier, desk and retraining, its settings, and the server."""
