"""Which port a service gets."""

from __future__ import annotations

import os
import socket

import pytest

from infra.embedded import ports
from infra.embedded.ports import SERVICES, Ports, choose, requested
from tidewheel.errors import SettingsError


def nobody(port: int) -> str:
    return ""


def test_the_usual_ports_are_taken_where_they_are_free() -> None:
    assert choose({}, {}, SERVICES, (), is_free=lambda _: True) == (Ports(), [])


def test_a_busy_usual_port_gives_way_to_the_next_free_one_and_says_so() -> None:
    chosen, notes = choose(
        {}, {}, SERVICES, (), is_free=lambda port: port not in {8080, 8081}, holder=lambda _: " by nginx (pid 7)"
    )
    assert chosen == Ports(airflow=8082)
    assert notes == ["port 8080 is taken by nginx (pid 7): airflow uses 8082"]


def test_a_service_does_not_take_the_port_that_another_was_requested_to_use() -> None:
    chosen, _ = choose({"mlflow": 8081}, {}, SERVICES, (), is_free=lambda port: port != 8080, holder=nobody)
    assert (chosen.airflow, chosen.mlflow) == (8082, 8081)


def test_an_earlier_choice_is_kept_and_a_variable_goes_before_it() -> None:
    chosen, notes = choose({"mlflow": 5005}, {"mlflow": 5001, "airflow": 8090}, SERVICES, (), is_free=lambda _: True)
    assert (chosen.mlflow, chosen.airflow, notes) == (5005, 8090, [])


@pytest.mark.parametrize(("variables", "earlier"), [({"endpoint": 8000}, {}), ({}, {"endpoint": 8000})])
def test_a_taken_port_that_was_settled_is_an_error_that_names_the_variable(
    variables: dict[str, int], earlier: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(SettingsError, match=r"port 8000 of endpoint is taken by .*set TIDEWHEEL_ENDPOINT_PORT"):
        choose(
            variables, earlier, SERVICES, (), is_free=lambda port: port != 8000, holder=lambda _: " by python (pid 9)"
        )


def test_a_port_that_was_ours_may_take_a_moment_to_come_free() -> None:
    answers = iter([False, False, True])
    chosen, _ = choose({}, {"endpoint": 8000}, ["endpoint"], (), is_free=lambda _: next(answers))
    assert chosen.endpoint == 8000


def test_a_port_that_our_own_service_holds_is_not_taken() -> None:
    chosen, _ = choose({}, {"endpoint": 8000}, SERVICES, {8000}, is_free=lambda port: port != 8000)
    assert chosen.endpoint == 8000


def test_two_services_on_one_port_are_refused_with_both_variables() -> None:
    with pytest.raises(SettingsError, match="TIDEWHEEL_MLFLOW_PORT and TIDEWHEEL_AIRFLOW_PORT are both 9000"):
        choose({"airflow": 9000, "mlflow": 9000}, {}, SERVICES, (), is_free=lambda _: True)


def test_an_external_service_needs_no_port() -> None:
    chosen, notes = choose({}, {}, ["airflow"], (), is_free=lambda port: port == 8080)
    assert (chosen, notes) == (Ports(), [])


def test_a_base_gives_every_service_a_port_in_a_row_and_one_variable_moves_one() -> None:
    found = requested({"TIDEWHEEL_PORT_BASE": "20000", "TIDEWHEEL_POSTGRES_PORT": "5432"})
    assert found == {
        "airflow": 20000,
        "mlflow": 20001,
        "endpoint": 20002,
        "postgres": 5432,
        "airflow_logs": 20004,
        "exporter": 20005,
        "endpoint_tls": 20006,
        "models": 20007,
    }


def test_a_row_that_would_leave_the_ports_there_are_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"TIDEWHEEL_PORT_BASE is 65500: a row of 100 ports .* at most 65436"):
        requested({"TIDEWHEEL_PORT_BASE": "65500"})


@pytest.mark.parametrize("value", ["eighty", "0", "-1", "65536", "80.5"])
def test_what_is_no_port_is_refused_with_the_variable_and_the_value(value: str) -> None:
    with pytest.raises(SettingsError, match=f"TIDEWHEEL_MLFLOW_PORT is '{value}'"):
        requested({"TIDEWHEEL_MLFLOW_PORT": value})


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert not ports.can_bind(port)
        assert f"(pid {os.getpid()})" in ports.holder_of(port)
