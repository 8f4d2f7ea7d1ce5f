"""Operators: they start jobs as processes or pods and judge how these ended; no job is ever imported."""
