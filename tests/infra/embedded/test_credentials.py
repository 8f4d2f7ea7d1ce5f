"""Passwords and keys are made once and shown to nobody."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.embedded.layout import load_or_generate
from tidewheel.errors import SettingsError


def test_they_are_generated_once_and_belong_to_their_owner(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = load_or_generate(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_generate(file) == first
    assert load_or_generate(tmp_path / "other.json") != first


def test_they_are_long_enough_for_what_they_protect(tmp_path: Path) -> None:
    made = load_or_generate(tmp_path / "secrets.json")
    assert len(made.airflow_jwt_secret) >= 64
    assert len(base64.urlsafe_b64decode(made.airflow_fernet_key)) == 32
    assert min(map(len, asdict(made).values())) >= 24


def test_their_representation_shows_none_of_them(tmp_path: Path) -> None:
    made = load_or_generate(tmp_path / "secrets.json")
    assert not [secret for secret in asdict(made).values() if secret in repr(made)]


def test_one_that_a_newer_version_needs_is_added_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text('{"postgres_password": "kept", "retired": "gone"}')
    made = load_or_generate(file)
    assert made.postgres_password == "kept"
    assert load_or_generate(file) == made


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_damaged_file_is_an_error_that_names_it_and_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"secrets\.json.*cannot be read"):
        load_or_generate(file)
    assert file.read_text() == content
