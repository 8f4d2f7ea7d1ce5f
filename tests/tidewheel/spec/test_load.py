"""Reading pipeline files: what is accepted, with which defaults, and how a pipeline is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, write
from tidewheel.errors import SpecError
from tidewheel.spec import find_pipeline, load_pipeline, pipeline_files


def test_the_smallest_pipeline_is_short_and_gets_sensible_defaults(tmp_path: Path) -> None:
    pipeline = load_pipeline(write(tmp_path, SMALLEST))

    assert len(SMALLEST.splitlines()) < 30
    assert (pipeline.task, pipeline.metric, pipeline.schedule) == ("classification", "log_loss", "0 3 * * *")
    assert pipeline.labels.delay_days == 1
    assert pipeline.gate.approval == "automatic"
    assert pipeline.features.columns == ["amount"]
    assert pipeline.key == ["order_id"]


def test_a_regression_is_judged_by_its_root_mean_squared_error(tmp_path: Path) -> None:
    assert load_pipeline(write(tmp_path, SMALLEST + "task: regression\n")).metric == "rmse"


def test_the_file_is_called_as_the_pipeline(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"name is 'shop', but the file is called 'store'; make them the same"):
        load_pipeline(write(tmp_path, SMALLEST, "store"))


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such pipeline file"):
        load_pipeline(tmp_path / "shop.yaml")
    (tmp_path / "shop.yaml").mkdir()
    with pytest.raises(SpecError, match=r"shop\.yaml: cannot be read: Is a directory"):
        load_pipeline(tmp_path / "shop.yaml")


def test_a_pipeline_is_found_by_name_and_a_misspelled_one_gets_a_hint(tmp_path: Path) -> None:
    write(tmp_path, SMALLEST)
    write(tmp_path, "wrong: [", "mail")

    assert find_pipeline(tmp_path, "shop").name == "shop"
    assert [path.stem for path in pipeline_files(tmp_path)] == ["mail", "shop"]
    with pytest.raises(SpecError, match=r"no pipeline 'shopp' in .* \(there: mail, shop\), did you mean 'shop'\?"):
        find_pipeline(tmp_path, "shopp")
    (tmp_path / "books.yml").write_text(SMALLEST.replace("shop", "books"))
    with pytest.raises(SpecError, match=r"books\.yml is not looked at; rename it to books\.yaml"):
        find_pipeline(tmp_path, "books")
    with pytest.raises(SpecError, match=r"\(there: none\)"):
        find_pipeline(tmp_path / "nowhere", "shop")


def test_a_pipeline_never_changes(tmp_path: Path) -> None:
    pipeline = load_pipeline(write(tmp_path, SMALLEST))

    with pytest.raises(ValueError, match="frozen"):
        pipeline.name = "mail"
