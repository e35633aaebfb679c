"""The calls of a backward as they are listed: what each is called, and where it stands."""

from __future__ import annotations

import torch

from gradcli.execution.custom.causes.sites import Watching


def test_a_call_has_its_name_and_the_getter_of_an_attribute_that_of_the_attribute() -> None:
    matrix = torch.ones(2, 3)
    with Watching() as watch:
        matrix.T.exp()
    assert [(site.function, site.number) for site in watch.sites] == [("T", 0), ("exp", 1)]
    assert all("test_sites.py:" in site.line for site in watch.sites)
