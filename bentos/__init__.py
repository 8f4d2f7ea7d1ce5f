"""How a model answers: the BentoML service, self-contained, built with the contract of one model version inside."""
