"""Load on an endpoint at a constant rate, and the page that shows how it was answered."""
