"""The files of the endpoints, and what Envoy is told because of them; nothing runs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.health import ServiceStatus, at_fault
from infra.embedded.layout import Layout
from infra.envoy.files import EnvoyFiles
from infra.envoy.routing import Target, clusters, routes, split
from infra.local.endpoints import Endpoints, LocalEndpoint, Place
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic

targets = st.lists(
    st.builds(
        Target,
        pipeline=st.sampled_from(["flights", "flights_2", "orders"]),
        colour=st.sampled_from(["blue", "green"]),
        version=st.just("1"),
        ports=st.lists(st.integers(1024, 65535), min_size=1, max_size=3).map(tuple),
        live=st.booleans(),
        share=st.sampled_from([0, 10]),
        mirrored=st.booleans(),
    ),
    unique_by=lambda target: target.cluster,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "home")
    layout.create()
    return layout


@given(targets)
def test_every_route_names_a_cluster_that_is_there(targets: list[Target]) -> None:
    known = {cluster["name"] for cluster in clusters(targets)}
    table = routes(targets)["virtual_hosts"][0]["routes"]
    actions = [route["route"] for route in table if "route" in route]
    named = {split(action)[0] for action in actions}
    named |= {
        cluster["name"] for action in actions for cluster in action.get("weighted_clusters", {}).get("clusters", [])
    }
    named |= {mirror["cluster"] for action in actions for mirror in action.get("request_mirror_policies", [])}
    assert named <= known


def test_one_pipeline_never_takes_the_requests_of_another_whose_name_begins_alike() -> None:
    table = routes([Target("flights", "blue", "1", (1,), True), Target("flights_2", "green", "1", (2,), True)])
    prefixes = {
        r["route"]["cluster"]: r["match"]["prefix"] for r in table["virtual_hosts"][0]["routes"] if "route" in r
    }
    assert prefixes == {"flights-blue": "/flights/", "flights_2-green": "/flights_2/"}


def test_an_endpoint_survives_its_file(layout: Layout) -> None:
    endpoint = LocalEndpoint(
        "orders", Traffic(Colour.GREEN, share=5), {Colour.GREEN: Place("3", "abc", (21000, 21002))}
    )
    assert LocalEndpoint.from_json(endpoint.to_json()) == endpoint
    assert Endpoints(layout).get("orders") == LocalEndpoint("orders")


def test_a_file_from_before_replicas_is_read_as_one_replica() -> None:
    place = {"version": "3", "content_hash": "abc", "port": 21000}
    traffic = {"live": "blue", "share": 0, "mirrored": False}
    file = json.dumps({"pipeline": "orders", "traffic": traffic, "places": {"blue": place}})
    endpoint = LocalEndpoint.from_json(file)
    assert endpoint.places == {Colour.BLUE: Place("3", "abc", (21000,))}
    assert endpoint.programs(Colour.BLUE) == ["orders-blue"], "what runs is still known by its name"


def test_every_replica_of_the_live_colour_is_looked_after(layout: Layout) -> None:
    def released(now: LocalEndpoint) -> LocalEndpoint:
        return replace(now.with_place(Colour.BLUE, Place("1", "a", (1, 2, 3))), traffic=Traffic(Colour.BLUE))

    Endpoints(layout).change("orders", released)
    assert Endpoints(layout).routed() == {"orders-blue", "orders-blue-2", "orders-blue-3"}


def test_only_a_model_that_no_request_is_sent_to_may_be_starting_or_stopping(layout: Layout) -> None:
    def released(now: LocalEndpoint) -> LocalEndpoint:
        both = now.with_place(Colour.BLUE, Place("1", "a", (21000,))).with_place(
            Colour.GREEN, Place("2", "b", (21001,))
        )
        return replace(both, traffic=Traffic(Colour.BLUE))

    Endpoints(layout).change("orders", released)
    routed = Endpoints(layout).routed()
    assert routed == {"orders-blue"}
    names = ["envoy", "orders-blue", "orders-green"]

    def faults(state: str) -> list[str]:
        return [service.name for service in at_fault([ServiceStatus(name, state) for name in names], routed)]

    assert faults("running") == []
    assert faults("starting") == faults("stopping") == ["envoy", "orders-blue"]
    assert faults("backoff") == faults("stopped") == names


def test_pipelines_that_change_at_the_same_time_all_reach_envoy(layout: Layout) -> None:
    names = [f"pipeline_{n}" for n in range(12)]

    def go_live(name: str) -> None:
        place = Place("1", "abc", (21000,))
        Endpoints(layout).change(
            name, lambda e: replace(e.with_place(Colour.BLUE, place), traffic=Traffic(Colour.BLUE))
        )

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(go_live, names))
    written = json.loads(EnvoyFiles(layout.envoy).clusters.read_text())
    assert sorted(cluster["name"] for cluster in written["resources"]) == sorted(f"{name}-blue" for name in names)
    table = json.loads(EnvoyFiles(layout.envoy).routes.read_text())["resources"][0]
    listing = json.loads(table["virtual_hosts"][0]["routes"][0]["direct_response"]["body"]["inline_string"])
    assert [pipeline["name"] for pipeline in listing["pipelines"]] == sorted(names)


def test_the_token_of_an_installation_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    layout, other = Layout(tmp_path / "one"), Layout(tmp_path / "other")
    for each in (layout, other):
        each.create()
    with ThreadPoolExecutor() as pool:
        tokens = set(pool.map(lambda _: Endpoints(layout).token(), range(8)))
    assert len(tokens) == 1
    assert len(tokens.pop()) > 30
    assert Endpoints(other).token() != Endpoints(layout).token()
    assert (layout.home / "endpoints" / "token").stat().st_mode & 0o777 == 0o600
    assert Endpoints(layout).all() == [], "it is no pipeline's file"
