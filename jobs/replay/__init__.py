"""Replay: a pipeline's history played day by day, to see what a retraining policy would have done and been worth."""
