"""What only `graph` reports: the forward graph and autograd's, as trees that have the tensors in them."""

from __future__ import annotations

from gradcli.render.graph.tree import grids
from gradcli.render.presentation import Presentation

PRESENTATION = Presentation(grids_of_report=grids, shows=lambda _: False)
