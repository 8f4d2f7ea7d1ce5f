"""The lake: where batches live, and the manifests that make them visible in one step."""

from tidewheel.lake.lake import Lake
from tidewheel.lake.manifest import DataFile, Manifest
from tidewheel.lake.store import Store
from tidewheel.lake.verified import LakeFile, open_parquet, open_verified

__all__ = ["DataFile", "Lake", "LakeFile", "Manifest", "Store", "open_parquet", "open_verified"]
