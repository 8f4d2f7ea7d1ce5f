"""What is computed: one module a job, each a command of its own."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")  # no library that a job uses may call its makers
