"""Reading what comes from outside, checking it, and the rows that a model is trained on."""
