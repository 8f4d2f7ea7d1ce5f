"""The five DAGs of a pipeline, one module each, and what they share."""
