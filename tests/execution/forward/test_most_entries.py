"""Bounds on what calls make, beside what PyTorch is seen to make when it runs them."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from gradcli.errors import LimitError
from gradcli.execution.forward.memory import Memory
from gradcli.execution.forward.most_entries import most_entries
from gradcli.execution.forward.tree import tensors
from gradcli.execution.kernels import fourier, general, linear_algebra, ranks, resampling, windows
from gradcli.limits import Limits

IMAGE, ROW = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 7)
CALLS = [
    partial(general.reshape, IMAGE.transpose(0, 1), -1),
    partial(torch.narrow, IMAGE, 2, 1, 3),
    partial(torch.sum, IMAGE, (0, 2), keepdim=True, dtype=torch.float64),
    partial(torch.amax, IMAGE, 1),
    partial(torch.amin, IMAGE, (1, 3)),
    partial(torch.roll, IMAGE, 2, 1),
    partial(torch.Tensor.detach, IMAGE[..., :2]),
    partial(torch.Tensor.contiguous, IMAGE.mT),
    partial(torch.Tensor.permute, IMAGE, 3, 1, 0, 2),
    partial(torch.Tensor.flip, IMAGE, (0, 2)),
    partial(functional.avg_pool1d, ROW[..., :1], 101, 1, 50),
    partial(functional.avg_pool2d, IMAGE, 3, 2, 1, ceil_mode=True),
    partial(functional.avg_pool2d, IMAGE[0, :, :1, :1], (9, 7), 1, (4, 3)),
    partial(functional.lp_pool1d, ROW, 2, 3, 1, ceil_mode=True),
    partial(functional.lp_pool2d, IMAGE, 2, 2),
    partial(functional.interpolate, IMAGE, (3, 17), mode="bilinear", align_corners=True),
    partial(functional.interpolate, IMAGE, (17, 2), mode="bicubic", antialias=True),
    partial(functional.interpolate, IMAGE, (2, 17), mode="bilinear", antialias=True),
    partial(functional.interpolate, ROW, scale_factor=2.7),
    partial(functional.interpolate, ROW, 3, mode="area"),
    partial(functional.interpolate, IMAGE, scale_factor=(0.4, 3.0), mode="nearest-exact", recompute_scale_factor=True),
    partial(functional.upsample_bilinear, IMAGE, scale_factor=3),
    partial(functional.upsample_nearest, IMAGE, (9, 2)),
    partial(linear_algebra.singular_triples, torch.rand(10, 10), torch.rand(3), torch.rand(3), 6, True, 0, 3),
    partial(ranks.rank, torch.rand(2, 3, 9), None, None),
    partial(ranks.rank_may_change, torch.rand(2, 3, 9), None, None),
    partial(fourier.fitted, IMAGE, 11, 1),
    partial(fourier.fitted, IMAGE, 2, -2),
    partial(fourier.roots, 3, 5, 8, -1, None),
    partial(resampling.nearest, IMAGE, 2, (9, 2), None, None, True),
    partial(resampling.nearest, ROW, 1, None, 0.4, None, False),
    partial(resampling.resampling_weights, (5, 4), (3, 17), None, "bicubic", False, None, True),
    partial(resampling.resampling_weights, (5, 4), None, 2.5, "bilinear", False, None, False),
    partial(resampling.resampling_weights, (20,), (3,), None, "area", None, None, False),
    partial(windows.pool_divisor, (2, 3, 5, 4), 2, 3, 1, 1, True, False, None),
    partial(windows.pool_divisor, (2, 3, 1), 1, 9, 1, 4, False, True, 3),
]


class Largest(TorchDispatchMode):
    """Notes the most entries of a tensor that a kernel makes."""

    entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not any(returned.alias_info for returned in func._schema.returns):
            self.entries = max([self.entries, *(tensor.numel() for tensor in tensors([made]))])
        return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS, ids=[f"{number}-{call.func.__name__}" for number, call in enumerate(CALLS)])
def test_a_call_makes_no_more_than_its_bound(call: partial[Any]) -> None:
    with Largest() as seen:
        call()
    bound = most_entries(call.func, call.args, call.keywords)
    assert bound is not None
    assert seen.entries <= bound <= 10_000


def test_arguments_that_a_call_refuses_have_no_bound() -> None:
    for arguments in ((), (IMAGE, "much"), (IMAGE, (2, 2, 2)), (IMAGE, None, None)):
        assert most_entries(functional.interpolate, arguments, {}) is None
    assert most_entries(torch.kron, (IMAGE, IMAGE), {}) is None


@pytest.mark.parametrize("options", [{"size": (1000, 1000)}, {"scale_factor": 300.0}])
def test_what_is_resized_beyond_the_limit_is_refused(options: dict[str, Any]) -> None:
    call = partial(functional.interpolate, IMAGE, **options)
    with pytest.raises(LimitError, match="more than the limit of 1000000"):
        Memory(Limits(elements=1_000_000), []).check(call, pointwise=False)
