"""Pipeline files nobody thought of: each is read as it was written, or refused in words."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.tidewheel.spec.pipeline_file import write
from tidewheel.errors import SpecError
from tidewheel.spec import Pipeline, load_pipeline

names = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")
columns = st.lists(
    names.filter(lambda n: n not in {"ordered_at", "order_id", "returned", "prediction", "partition", "model_version"}),
    min_size=1,
    max_size=6,
)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40)
references = st.builds("{}.{}:{}".format, names, names, names)
plain = st.text(st.sampled_from("abc XYZ/.*=,0"), max_size=20)
parameters = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.integers(-3, 9), inner, max_size=3),
    max_leaves=5,
)
readers = st.one_of(
    st.fixed_dictionaries({"kind": st.just("parquet"), "path": st.builds("a{}/{{partition}}{}x".format, plain, plain)}),
    st.fixed_dictionaries(
        {"kind": st.just("csv"), "path": st.builds("a{}/{{partition}}{}x".format, plain, plain)},
        optional={
            "delimiter": st.sampled_from([";", "\t", "|", "\x01"]),
            "decimal": st.sampled_from([".", ","]),
            "thousands": st.sampled_from([" ", "'", "\u202f"]),
            "encoding": st.sampled_from(["cp1252", "utf-16"]),
            "quote": st.sampled_from(["'", ""]),
            "escape": st.just("\\"),
            "null_values": st.lists(words, max_size=2),
        },
    ),
    st.fixed_dictionaries({"kind": st.just("python"), "function": references}),
    st.fixed_dictionaries(
        {"kind": st.just("sql"), "url_variable": st.just("SHOP_URL"), "query": plain.map("select {} :partition".format)}
    ),
)
pipelines = st.fixed_dictionaries(
    {
        "name": st.just("shop"),
        "description": words,
        "owner": st.fixed_dictionaries({"team": words}),
        "source": st.fixed_dictionaries(
            {"reader": readers, "event_time": st.just("ordered_at"), "entity_key": st.just(["order_id"])},
            optional={"start": st.dates(), "end": st.none()},
        ),
        "labels": st.fixed_dictionaries(
            {"reader": readers, "column": st.just("returned"), "delay_days": st.integers(1, 365)}
        ),
        "features": st.builds(
            lambda transform, names: {
                "transform": transform,
                "numeric": sorted(set(names))[::2],
                "categorical": sorted(set(names))[1::2],
            },
            references,
            columns,
        ),
    },
    optional={
        "schedule": st.builds("{} {} * * *".format, st.integers(0, 59), st.integers(0, 23)),
        "triggers": st.builds("{} {} * * {}".format, st.integers(0, 59), st.integers(0, 23), st.integers(0, 7)).map(
            lambda cron: {"calendar": cron}
        ),
        "training": st.fixed_dictionaries(
            {
                "estimator": st.sampled_from(["xgboost", "random_forest", "lightgbm", "catboost"]) | references,
                "parameters": st.dictionaries(names, parameters, max_size=3),
            }
        ),
        "gate": st.fixed_dictionaries({"floors": st.fixed_dictionaries({"roc_auc": st.floats(0, 1)})}),
    },
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pipelines)
def test_a_pipeline_written_down_and_read_again_is_the_same(tmp_path: Path, content: dict[str, object]) -> None:
    pipeline = Pipeline.model_validate(content)
    written, yaml = io.BytesIO(), YAML(typ="safe")
    yaml.default_flow_style = False  # in its other style ruamel writes some long mappings that it cannot read
    yaml.dump(pipeline.model_dump(mode="json"), written)

    assert load_pipeline(write(tmp_path, written.getvalue())) == pipeline


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=pipelines, data=st.data())
def test_whatever_is_put_in_the_place_of_a_value_the_answer_is_a_pipeline_or_a_spec_error(
    tmp_path: Path, content: dict[str, object], data: st.DataObject
) -> None:
    section = content
    key = data.draw(st.sampled_from(sorted(section)))
    while isinstance(section[key], dict) and section[key] and data.draw(st.booleans()):
        section = section[key]
        key = data.draw(st.sampled_from(sorted(section)))
    section[key] = data.draw(
        st.none() | st.booleans() | st.integers() | words | st.lists(st.integers(), max_size=2) | st.just({"a": 1})
    )
    written = io.BytesIO()
    YAML(typ="safe").dump(content, written)
    path = write(tmp_path, written.getvalue())

    try:
        load_pipeline(path)
    except SpecError as error:
        assert str(error).startswith(str(path))  # noqa: PT017  both answers are right
