"""What the end-to-end tests share: the demo, played once, and a new pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from tests.e2e.shop import Shop
from tests.installation import Installation
from tidewheel.demo.display import Display
from tidewheel.demo.story import Demo, DemoResult


@dataclass(frozen=True)
class Played:
    """A demo that was played to its end."""

    ending: DemoResult
    told: str


def play(installation: Installation) -> Played:
    """Play the demo; what an earlier one did is not done again."""
    screen = StringIO()
    demo = Demo(installation.settings, installation.api, Display(Console(file=screen, width=200)))
    ending = demo.play()
    return Played(ending, screen.getvalue())


@pytest.fixture(scope="session")
def played(installation: Installation) -> Played:
    """The demo, played once."""
    return play(installation)


@pytest.fixture(scope="session")
def shop(installation: Installation) -> Shop:
    """A new pipeline with a history and a released model, which took nothing but two forms."""
    shop = Shop(installation)
    shop.begin()
    return shop
