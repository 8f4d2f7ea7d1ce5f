"""What is computed: one module a job, each a command of its own."""

import os

os.environ.setdefault("DO_NOT_TRACK", "true")  # no library that a job uses may call its makers
