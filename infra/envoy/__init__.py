"""The router in front of the model services: Envoy, configured by files that are moved into place."""
