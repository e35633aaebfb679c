"""What is known of code's tensors, by their identity and by where autograd has them."""

from __future__ import annotations

import torch
from torch.autograd.graph import get_gradient_edge

from gradcli.execution.code.values import Values
from gradcli.execution.forward.followed import Followed


def test_a_value_that_has_lost_its_edge_is_no_longer_found_there() -> None:
    result = torch.ones(2, requires_grad=True) * 2
    edge = get_gradient_edge(result)
    first, second = (Followed(result.detach(), None, "(...)", edge=edge) for _ in range(2))
    values = Values()
    values.hold(first)
    values.hold(second)
    assert values.at(edge.node, 0) is first
    first.edge = None  # its node may be gone, and another one where that was in memory
    assert values.at(edge.node, 0) is None
    values.hold(second)
    assert values.at(edge.node, 0) is second
