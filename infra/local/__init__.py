"""Releases on one machine: each colour a supervised process, the router Envoy."""

from infra.local.backend import LocalBackend

__all__ = ["LocalBackend"]
