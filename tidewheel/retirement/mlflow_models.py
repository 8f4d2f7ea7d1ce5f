"""A pipeline's registered model and experiment in MLflow: how many versions, under which name, or gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.mlflow_api import NotInRegistry, ask

if TYPE_CHECKING:
    from tidewheel.settings import Settings

PAGE = 1000


@dataclass(frozen=True)
class MlflowModels:
    """MLflow's REST interface, as far as a pipeline that is given up needs it.

    Attributes:
        settings: address and password of the server.
    """

    settings: Settings

    def versions(self, pipeline: str) -> list[str]:
        """The registered versions, oldest first; none where there is no such model.

        Raises:
            RegistryError: MLflow cannot be reached, or refuses.
        """
        numbers: list[str] = []
        page = ""
        while True:
            query = {"filter": f"name = '{pipeline}'", "max_results": str(PAGE), "page_token": page}
            answer = self._ask("GET", "model-versions/search", **query) or {}
            numbers += [version["version"] for version in answer.get("model_versions", [])]
            page = answer.get("next_page_token", "")
            if not page:
                return sorted(numbers, key=int)

    def has_model(self, pipeline: str) -> bool:
        """Whether a model of that name is registered, with or without versions."""
        return self._ask("GET", "registered-models/get", name=pipeline) is not None

    def champion(self, pipeline: str) -> str | None:
        """The version that the champion alias names."""
        found = self._ask("GET", "registered-models/get", name=pipeline) or {}
        aliases = found.get("registered_model", {}).get("aliases", [])
        return next((alias["version"] for alias in aliases if alias["alias"] == "champion"), None)

    def delete(self, pipeline: str) -> None:
        """Delete model and experiment; nothing happens where there are none.

        MLflow keeps a deleted experiment, with its runs and their files, until `mlflow gc` is run.
        """
        self._ask("DELETE", "registered-models/delete", name=pipeline)
        if experiment := self._experiment(pipeline):
            self._ask("POST", "experiments/delete", experiment_id=experiment)

    def rename(self, old: str, new: str) -> None:
        """Give model and experiment another name; those that have it already are left alone."""
        if self.has_model(old):
            self._ask("POST", "registered-models/rename", name=old, new_name=new)
        if experiment := self._experiment(old):
            self._ask("POST", "experiments/update", experiment_id=experiment, new_name=new)

    def _experiment(self, pipeline: str) -> str | None:
        found = self._ask("GET", "experiments/get-by-name", experiment_name=pipeline)
        experiment = (found or {}).get("experiment", {})
        return experiment.get("experiment_id") if experiment.get("lifecycle_stage", "active") == "active" else None

    def _ask(self, method: str, path: str, **fields: str) -> dict[str, Any] | None:
        """One request; None where MLflow has nothing of that name.

        Raises:
            RegistryError: MLflow cannot be reached, or refuses.
        """
        try:
            return ask(self.settings, method, path, **fields)
        except NotInRegistry:
            return None
