"""The images that the tests' pods have: one with all in it, or each its own target of infra/images/Dockerfile."""

from __future__ import annotations

import os

ALL_IN_ONE = "localhost/tidewheel-jobs:test"
PLATFORM_IMAGE = os.environ.get("TIDEWHEEL_TEST_IMAGE", ALL_IN_ONE)
JOBS_IMAGE = os.environ.get("TIDEWHEEL_TEST_JOBS_IMAGE", PLATFORM_IMAGE)
SERVING_IMAGE = os.environ.get("TIDEWHEEL_TEST_SERVING_IMAGE", PLATFORM_IMAGE)
POSTGRES_IMAGE = os.environ.get("TIDEWHEEL_TEST_POSTGRES_IMAGE", "localhost/tidewheel-postgres:test")
S3_IMAGE = os.environ.get("TIDEWHEEL_TEST_S3_IMAGE", "localhost/versitygw:test")
