"""Releases on Kubernetes: each colour a Deployment, the router Envoy Gateway."""

from infra.kubernetes.backend import KubernetesBackend

__all__ = ["KubernetesBackend"]
