"""The lake: where batches live, and the manifests that make them visible in one step."""

from tidewheel.lake.lake import Lake
from tidewheel.lake.manifest import DataFile, Manifest
from tidewheel.lake.store import Store

__all__ = ["DataFile", "Lake", "Manifest", "Store"]
