"""Giving a pipeline up, or another name: what there is of it, and steps in an order that can be resumed."""
