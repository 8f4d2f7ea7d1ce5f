"""Tidewheel keeps tabular models fresh: the core that every other room builds on."""

__version__ = "0.1.0"
