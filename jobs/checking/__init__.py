"""Holding a declaration against the code, the model and the expectations it names, before any night does."""
