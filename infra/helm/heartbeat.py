"""Ends with 0 while one of Airflow's processes works: `python -m infra.helm.heartbeat SchedulerJob`.

It reads the process' last heartbeat from Airflow's database. `airflow jobs check` does so too, but imports all of
Airflow for it; this imports a database driver. A database that is away is no fault of the process, and restarting it
would end the tasks at work, so it counts as alive then. With `--started` the database must answer and the process must
have begun: for a startup probe.
"""

from __future__ import annotations

import os
import socket
import sys

import psycopg2

SECONDS = 120
"""A process without a heartbeat for so long is not at work."""
NEWEST = """
SELECT extract(epoch FROM now() - latest_heartbeat) FROM job
WHERE job_type = %s AND hostname = %s AND state = 'running' ORDER BY latest_heartbeat DESC LIMIT 1
"""


def problem(job_type: str, *, started: bool) -> str:
    """Why the process of this pod does not count as alive; empty where it does."""
    # The driver reads such a URL itself; SQLAlchemy's name for the driver is no part of it.
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2://", "postgresql://", 1)
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        return f"Airflow's database: {str(error).strip()}" if started else ""
    try:
        with connection.cursor() as cursor:
            cursor.execute(NEWEST, (job_type, socket.getfqdn()))
            newest = cursor.fetchone()
    except psycopg2.OperationalError as error:
        return f"Airflow's database: {str(error).strip()}" if started else ""
    finally:
        connection.close()
    if newest is None:
        return f"no {job_type} of {socket.getfqdn()} has begun"
    silent = float(newest[0])
    return f"{job_type}: no heartbeat for {silent:.0f} s, limit {SECONDS} s" if silent > SECONDS else ""


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1], started="--started" in sys.argv) or 0)
