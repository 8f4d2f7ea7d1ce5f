"""A model as the registry knows it: its file, its contract, its predictions and their metrics."""
