"""What is computed: one module a job, each a command of its own."""

import os

os.environ.setdefault("DO_NOT_TRACK", "true")  # no library that a job uses may call its makers
# Threads that spin while they wait for each other cost gradient boosting 3 to 7 times the time as soon as anything else
# runs on the machine (27 s instead of 4 for 50,000 rows), and gain nothing where nothing does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# MLflow's lines then go through the job's own log, see `jobs.logs`, which leaves out what libraries merely inform of.
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
