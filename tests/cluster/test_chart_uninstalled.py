"""The chart taken away again. Last, since the other tests of the chart share its installation."""

from __future__ import annotations

import pytest

from tests.cluster.chart import CLAIMS, SECRETS, Installation
from tests.conftest import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def test_an_uninstall_leaves_the_secrets_and_the_volumes_and_a_second_install_goes_on_with_them(
    installed: Installation,
) -> None:
    before = {name: installed.secret(name) for name in SECRETS}
    installed.helm("uninstall", "--wait")

    core, place = installed.core, installed.namespace
    wait_until(lambda: installed.pods("!tidewheel/pipeline") == [], "no pod", 120)
    claims = {claim.metadata.name for claim in core.list_namespaced_persistent_volume_claim(place).items}
    assert claims == set(CLAIMS)
    assert {name: installed.secret(name) for name in SECRETS} == before
    maps = {each.metadata.name for each in core.list_namespaced_config_map(place).items}
    assert maps == {"kube-root-ca.crt", "pipeline"}
    accounts = {each.metadata.name for each in core.list_namespaced_service_account(place).items}
    assert accounts == {"default"}
    assert core.list_namespaced_service(place).items == []

    installed.install()
    assert {name: installed.secret(name) for name in SECRETS} == before
    installed.helm("test", "--timeout", "3m")
    installed.helm("uninstall", "--wait")
