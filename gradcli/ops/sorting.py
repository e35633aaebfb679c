"""Order statistics: sorting and choosing. Which entries are chosen is a constant of the forward run."""

from __future__ import annotations

from gradcli.ops.family import Family
from gradcli.ops.record import Op

FAMILY = Family("sorting", kernels="order")
CHOSEN = ("values", "indices")


def _choice(signature: str, chosen: str, *examples: str, kinks: bool = True, discontinuities: bool = False) -> Op:
    """Return an op that chooses one entry of each row; `chosen` gives the values and the indices, with their axis."""
    twice = f"m = _twice(input, dim, {chosen}[0]); m if keepdim else squeeze(m, dim)"
    inner = chosen.replace("input", "detach(input)")
    return FAMILY.composite(
        signature,
        f"""v, i = {inner}
y = gather(input, dim, i)
(y, i) if keepdim else (squeeze(y, dim), squeeze(i, dim))""",
        *examples,
        kinks=twice if kinks else None,
        discontinuities=twice if discontinuities else None,
        fields=CHOSEN,
    )


def _sorted(signature: str, call: str, *examples: str, overloads: tuple[Op, ...] = ()) -> Op:
    """Return an op whose values are entries along `dim`, in an order; `call` gives the values and the indices."""
    return FAMILY.composite(
        signature,
        f"v, i = {call.replace('input', 'detach(input)')}; (gather(input, dim, i), i)",
        *examples,
        kinks=f"_twice(input, dim, {call}[0])",
        overloads=overloads,
        fields=CHOSEN,
    )


def _median(name: str) -> Op:
    """Return `median` or `nanmedian`: of all entries, or along an axis with the indices."""
    along = _choice(f"{name}(input, dim: int, keepdim=False)", f"{name}(input, dim, True)")
    return FAMILY.composite(
        f"{name}(input)",
        f"chosen = input == {name}(detach(input)); sum(where(chosen, input, 0))/sum(where(chosen, 1, 0))",
        f"{name}(x) | x=5",
        f"{name}(x) | x=2x3",
        f"{name}(x, 1).values | x=2x5",
        f"{name}(x, dim=0, keepdim=True)[0] | x=4x2",
        kinks=f"x = _rows(input, None); _twice(x, 0, {name}(x, 0, True)[0])",
        overloads=(along,),
    )


# `below` is the entry below the rank, but never the last: there the derivative with respect to q is the one from below.
QUANTILE = """x, order = sort(_rows(input, dim), -1)
last = _last_rank(x, skip)
rank = last*(reshape(q, (-1,)) if is_tensor(q) else q)
below = minimum(_integer(floor(detach(rank))), clamp_min(last - 1, 0))
lower = gather(x, -1, below)
upper = gather(x, -1, minimum(below + 1, last))
if interpolation == 'linear':
    y = lower + (rank - below)*(upper - lower)
elif interpolation == 'midpoint':
    y = (gather(x, -1, _integer(floor(detach(rank)))) + gather(x, -1, _integer(ceil(detach(rank)))))/2 + 0*rank
elif interpolation == 'lower':
    y = gather(x, -1, _integer(floor(detach(rank)))) + 0*rank
elif interpolation == 'higher':
    y = gather(x, -1, _integer(ceil(detach(rank)))) + 0*rank
else:
    y = gather(x, -1, _integer(round(detach(rank)))) + 0*rank
shape = sum(input, dim, keepdim).shape
reshape(movedim(y, -1, 0), q.shape + shape if is_tensor(q) else shape)"""
WHOLE_RANK = "r = _last_rank(_rows(input, dim), {skip})*reshape(q, (-1,)) if is_tensor(q) else 0.5; any(r == round(r)) if is_tensor(q) else False"


def _quantile(name: str, skip: str, *examples: str) -> Op:
    return FAMILY.composite(
        f"{name}(input, q, dim=None, keepdim=False, *, interpolation='linear')",
        QUANTILE.replace("skip", skip),
        *examples,
        kinks=WHOLE_RANK.format(skip=skip),
    )


SORTING: tuple[Op, ...] = (
    _sorted(
        "sort(input, dim=-1, descending=False)",
        "sort(input, dim, descending)",
        "sort(x).values | x=2x5",
        "sort(x, dim=0, descending=True)[0] | x=4x2",
        "sort(x, stable=True, dim=0)[0] | x=3",
        overloads=(
            _sorted(
                "sort(input, *, stable, dim=-1, descending=False)",
                "sort(input, stable=stable, dim=dim, descending=descending)",
            ),
        ),
    ),
    FAMILY.composite("msort(input)", "sort(input, 0)[0]", "msort(x) | x=4x2"),
    _sorted(
        "topk(input, k, dim=-1, largest=True, sorted=True)",
        "topk(input, k, dim, largest, sorted)",
        "topk(x, 2).values | x=2x5",
        "topk(x, 2, dim=0, largest=False)[0] | x=4x2",
    ),
    _choice("kthvalue(input, k, dim=-1, keepdim=False)", "kthvalue(input, k, dim, True)", "kthvalue(x, 2)[0] | x=2x5"),
    _choice(
        "mode(input, dim=-1, keepdim=False)",
        "mode(input, dim, True)",
        "mode(x, 0, True).values | x=3x2",
        kinks=False,
        discontinuities=True,
    ),
    _median("median"),
    _median("nanmedian"),
    FAMILY.composite(
        "cummax(input, dim)",
        "v, i = cummax(detach(input), dim); (gather(input, dim, i), i)",
        "cummax(x, 0).values | x=5",
        "cummax(x, dim=1)[0] | x=2x4",
        kinks="_tied_so_far(input, dim, 1)",
        fields=CHOSEN,
    ),
    FAMILY.composite(
        "cummin(input, dim)",
        "v, i = cummin(detach(input), dim); (gather(input, dim, i), i)",
        "cummin(x, 0)[0] | x=5",
        "cummin(x, dim=1)[0] | x=2x4",
        kinks="_tied_so_far(input, dim, -1)",
        fields=CHOSEN,
    ),
    FAMILY.composite(
        "aminmax(input, *, dim=None, keepdim=False)",
        "(amin(input, dim, keepdim), amax(input, dim, keepdim))",
        "a, b = aminmax(x); a*b | x=2x3",
        "aminmax(x, dim=1, keepdim=True).max | x=2x3",
        fields=("min", "max"),
    ),
    _quantile(
        "quantile",
        "False",
        "quantile(x, 0.3) | x=5",
        "quantile(x, tensor([0.2, 0.9]), dim=1, keepdim=True) | x=2x4",
        'quantile(x, 0.4, 0, interpolation="midpoint") | x=4x2',
        'quantile(x, 0.6, interpolation="nearest") | x=4',
    ),
    _quantile("nanquantile", "True", "nanquantile(x, 0.3, 0) | x=5x2"),
    FAMILY.helper("_twice(input, dim, values)", "where a value stands more than once in its row"),
    FAMILY.helper("_tied_so_far(input, dim, sign)", "where the largest entry so far has stood twice"),
    FAMILY.helper("_last_rank(input, skip)", "the last index of a sorted row, without NaN if `skip`"),
    FAMILY.helper("_integer(input)", "the same numbers as integers"),
)
