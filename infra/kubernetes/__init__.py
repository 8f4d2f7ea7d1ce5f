"""Kubernetes: what runs there, as the objects that its API takes."""
