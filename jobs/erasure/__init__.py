"""Erases a person's rows from everything that a pipeline has."""
