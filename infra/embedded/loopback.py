"""The name under which Airflow's processes know this machine."""


def hostname() -> str:
    """Return the name at which the log server listens, whatever the machine calls itself."""
    return "localhost"
