"""Pages of the documentation that are generated from the code: `make reference` writes them."""
