"""What runs beside a model in its pod: `fetch` brings the model in, `ship` takes the request log out to the lake.

The image `serving` holds this package and nothing else of this repository, so it imports only the standard library and
pyarrow.
"""
