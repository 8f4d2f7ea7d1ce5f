"""The pipeline that `tidewheel new` writes, as modules that any image can be given by a volume."""

from __future__ import annotations

import shutil
from pathlib import Path

from tidewheel.scaffold.scaffold import plan_pipeline, write_pipeline

CODE = "shop_pipeline"
"""Name of the package with the pipeline's reader and transform."""


def write_shop(project: Path, more: str = "") -> None:
    """Write the pipeline `shop` into a project folder of its own, with further lines at the end of its file."""
    for name in ("dags", "jobs/pipelines", "expectations"):
        (project / name).mkdir(parents=True)
    write_pipeline(plan_pipeline("shop"), project)
    (project / "jobs" / "pipelines" / "shop").rename(project / CODE)
    for file in (project / "dags" / "shop.yaml", *(project / CODE).glob("*.py")):
        file.write_text(file.read_text().replace("jobs.pipelines.shop", CODE))
    with (project / "dags" / "shop.yaml").open("a") as file:
        file.write(more)
    shutil.rmtree(project / "jobs")
