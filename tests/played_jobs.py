"""Jobs in a process of their own: libraries take longest to be imported, so several jobs share one."""

from __future__ import annotations

PLAY = """
import json, runpy, sys
for job, *arguments in json.loads(sys.argv[1]):
    sys.argv = [f"jobs.{job}", *arguments]
    print("#", job, *arguments[6:], file=sys.stderr)
    try:
        runpy.run_module(f"jobs.{job}", run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
"""
"""A program that plays jobs one after the other, each as a DAG calls it; its argument holds their lines, as JSON."""
