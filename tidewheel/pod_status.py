"""What Kubernetes says of a pod, in words: for whatever starts pods, to compute or to serve."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubernetes.client import models as k8s
    from kubernetes.client.exceptions import ApiException

IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
LONGEST = 600
"""Characters of a message of Kubernetes' that are repeated."""


def conditions(pod: k8s.V1Pod, kind: str, status: str) -> list[k8s.V1PodCondition]:
    """The conditions of a pod that are of this kind and have this status."""
    return [one for one in pod.status.conditions or [] if (one.type, one.status) == (kind, status)]


def api_message(error: ApiException) -> str:
    """What the API server has answered instead."""
    try:
        return shortened(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return shortened(str(error.reason or error))


def shortened(text: str | None) -> str:
    """A message in one line of bearable length."""
    words = " ".join((text or "").split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
