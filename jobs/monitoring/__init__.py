"""Drift, performance and concept, measured from batches, requests and labels."""
