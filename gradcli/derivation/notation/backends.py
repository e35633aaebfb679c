"""The libraries that code is written for: what they call PyTorch's functions, and what has to be written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gradcli.derivation.notation.numpy_helpers import CHOOSING, LOGCUMSUMEXP
from gradcli.errors import NotSupportedError
from gradcli.language.names import without_prefix
from gradcli.ops.functions import FUNCTION_OF
from gradcli.ops.table import FUSED, find


@dataclass(frozen=True, slots=True)
class Backend:
    """A library of tensors."""

    name: str
    """What `--to` calls it."""
    module: str
    """What the code calls it."""
    imports: tuple[str, ...]
    """The lines that import it."""
    axis: str
    """Its word for the axis of a sum."""
    keep: str
    """Its word for keeping that axis."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Its name of each of PyTorch's functions."""
    helpers: Mapping[str, str] = field(default_factory=dict)
    """A definition for each function that it lacks; it is called `_name`."""

    def function(self, name: str) -> str:
        """Return the dotted name of a function; NotSupportedError if the library has none."""
        found = _of_torch(name) if self.module == "torch" else self.functions.get(name)
        if found is None and name in self.helpers:
            found = f"_{name}"
        if found is None:
            raise NotSupportedError(f"{self.name} has no function for '{name}'")
        return found

    def word(self, function: str, word: str | None) -> str | None:
        """Return its name of one of a function's parameters."""
        axis = "axes" if function in OF_AXES and self.module != "torch" else self.axis
        return {"dim": axis, "keepdim": self.keep}.get(word or "", word)

    def made(self, name: str, given: Sequence[str], kind: str) -> str:
        """Return the call that makes a tensor of its lengths, of ones or zeros as a tuple where they are several."""
        is_tuple = name in {"ones", "zeros"} and len(given) > 1
        lengths = f"({', '.join(given)})" if is_tuple else ", ".join(given)
        return f"{self.module}.{name}({lengths}, {kind})"


# The transforms, and those of them along several axes.
TRANSFORMS = tuple(f"fft.{kind}fft{axes}" for kind in ("", "i", "r", "ir") for axes in ("", "2", "n"))
OF_AXES = frozenset(name for name in TRANSFORMS if name[-1] in "2n")
# What is made of lengths alone, and of the number that fills it, under one name in all libraries.
MADE = frozenset({"eye", "ones", "zeros", "full"})
# What the table runs by kernels of its own.
OF_PLACES = ("take", "summed_into", "prod_of_others")
OF_SHAPES = ("reshape", "squeeze", "tensor", "arange", "broadcast_to")


def _of_torch(name: str) -> str | None:
    if name in OF_PLACES:
        return None
    if name in FUSED:
        return f"torch.ops.aten.{name}" if FUSED[name].is_differentiable else f"_{name}"
    if name in OF_SHAPES:
        return f"torch.{name}"
    op, function = find(without_prefix(tuple(name.split("."))) or name), FUNCTION_OF.get(name)
    known = [found.torch for found in (op, function) if found is not None and found.torch.startswith("torch.")]
    return known[0] if known else None


ALIKE = (
    *("exp", "log", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "square", "hypot", "sinc"),
    *("abs", "sign", "floor", "ceil", "trunc", "where", "maximum", "minimum", "isnan", "isfinite", "sum", "trace"),
    *("logical_and", "logical_or", "logical_not", "diagonal", "einsum", "outer", "dot", "kron", "diag", "round"),
    *("reshape", "squeeze", "arange", "tril", "triu", "roll", "mean", "broadcast_to", "logaddexp", "prod"),
    *("real", "imag"),
    *("stack", "tile", "cumsum", "cumprod", "quantile", "nansum", "nanmean"),
)
RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "tensor": "array"}
RENAMED |= {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "special.i0": "i0", "i0": "i0"}
RENAMED |= {"cat": "concatenate", "repeat_interleave": "repeat", "unsqueeze": "expand_dims"}
RENAMED |= {"clamp_min": "maximum", "clamp_max": "minimum", "clamp": "clip"}
FACTORISED = ("inv", "det", "pinv", "eigvalsh", "eigh", "svd", "qr", "cholesky")
LINEAR = {name: f"linalg.{name}" for name in ("inv", "det", "pinv", "norm", "matrix_power", "slogdet")}
LINEAR |= {f"linalg.{name}": f"linalg.{name}" for name in FACTORISED}
LINEAR |= {name: name for name in (*TRANSFORMS, "fft.hfft", "fft.ihfft")}
LINEAR |= {
    "cholesky": "linalg.cholesky",
    "qr": "linalg.qr",
    "linalg.matrix_norm": "linalg.norm",
    "pinverse": "linalg.pinv",
}

SOFTMAX = """def _softmax(x, axis):
    shifted = np.exp(x - x.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)"""
SIGMOID = """def _sigmoid(x):
    tail = np.exp(-np.abs(x))
    return np.where(x < 0, tail, 1) / (1 + tail)"""
RELU = """def _relu(x):
    return np.maximum(x, 0)"""


def _elementwise(name: str) -> str:
    return f"def _{name}(x):\n    return np.vectorize(math.{name}, otypes=[float])(x)"


ONE_HOT = """def _one_hot(labels, classes):
    return (np.asarray(labels)[..., None] == np.arange(classes)).astype(float)"""
# Rows are added up by their labels; a value is added at each row's label.
ADDED_AT = """def _added_at(rows, labels, classes):
    return rows.new_zeros(classes, *rows.shape[1:]).index_add(0, labels, rows)"""
PLUS_AT = """def _plus_at(x, labels, value):
    value = torch.as_tensor(value, dtype=x.dtype, device=x.device).expand(labels.shape)
    return x.scatter_add(-1, labels[..., None], value[..., None])"""
ADDED_TO = """def _added_to(x, places, value):
    value = torch.as_tensor(value, dtype=x.dtype, device=x.device)
    return x.index_put(places, value, accumulate=True)"""
SCATTERED = """def _scattered(x, labels, classes):
    return x.new_zeros(len(x), classes).scatter_add(1, labels, x)"""
OF_NUMPY_ADDED_AT = """def _added_at(rows, labels, classes):
    zeros = np.zeros((classes, *rows.shape[1:]), rows.dtype)
    np.add.at(zeros, labels, rows)
    return zeros"""
OF_NUMPY_PLUS_AT = """def _plus_at(x, labels, value):
    result = x.copy()
    result[np.arange(len(labels)), labels] += value
    return result"""
OF_NUMPY_ADDED_TO = """def _added_to(x, places, value):
    result = x.copy()
    np.add.at(result, places, value)
    return result"""
COUNTED = """def _counted(labels, classes):
    return torch.bincount(labels, minlength=classes)"""
OF_NUMPY_COUNTED = """def _counted(labels, classes):
    return np.bincount(labels, minlength=classes)"""
OF_JAX_COUNTED = """def _counted(labels, classes):
    return jnp.bincount(labels, length=classes)"""
OF_NUMPY_SCATTERED = """def _scattered(x, labels, classes):
    zeros = np.zeros((len(x), classes), x.dtype)
    np.add.at(zeros, (np.arange(len(x))[:, None], labels), x)
    return zeros"""
OF_JAX_ADDED_AT = """def _added_at(rows, labels, classes):
    return jnp.zeros((classes, *rows.shape[1:]), rows.dtype).at[labels].add(rows)"""
OF_JAX_PLUS_AT = """def _plus_at(x, labels, value):
    return x.at[jnp.arange(len(labels)), labels].add(value)"""

OF_JAX_ADDED_TO = """def _added_to(x, places, value):
    return x.at[places].add(value)"""

OF_JAX_SCATTERED = """def _scattered(x, labels, classes):
    return jnp.zeros((len(x), classes), x.dtype).at[jnp.arange(len(x))[:, None], labels].add(x)"""


def _named(module: str) -> dict[str, str]:
    plain = {name: name for name in ALIKE} | RENAMED | LINEAR
    return {name: f"{module}.{own}" for name, own in plain.items()}


TAKE = """def _take(x, places):
    return torch.take(x, torch.as_tensor(places, device=x.device))"""
SUMMED_INTO = """def _summed_into(x, places, shape):
    zeros = x.new_zeros(math.prod(shape))
    return zeros.index_add(0, torch.as_tensor(places, device=x.device).reshape(-1), x.reshape(-1)).reshape(shape)"""
OF_NUMPY_SUMMED_INTO = """def _summed_into(x, places, shape):
    zeros = np.zeros(math.prod(shape), x.dtype)
    np.add.at(zeros, np.ravel(places), np.ravel(x))
    return zeros.reshape(shape)"""
OF_JAX_SUMMED_INTO = """def _summed_into(x, places, shape):
    return jnp.zeros(math.prod(shape), x.dtype).at[jnp.ravel(jnp.asarray(places))].add(jnp.ravel(x)).reshape(shape)"""
OF_JAX_TAKE = """def _take(x, places):
    return jnp.take(x, jnp.asarray(places))"""
OF_JAX_EXPM_FRECHET = """def _expm_frechet(a, e):
    return jax.scipy.linalg.expm_frechet(a, e, compute_expm=False)"""
PROD_OF_OTHERS = """def _prod_of_others(x, dim=None):
    rows = x.reshape(-1) if dim is None else x.movedim(dim, -1)
    own = torch.eye(rows.shape[-1], dtype=torch.bool, device=x.device)
    others = torch.where(own, 1, rows[..., None, :]).prod(-1)
    return others.reshape(x.shape) if dim is None else others.movedim(-1, dim)"""
OF_NUMPY_PROD_OF_OTHERS = """def _prod_of_others(x, axis=None):
    rows = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    others = np.where(np.eye(rows.shape[-1], dtype=bool), 1, rows[..., None, :]).prod(-1)
    return others.reshape(x.shape) if axis is None else np.moveaxis(others, -1, axis)"""
TIMES = """def _times(x, y):
    is_nothing = (x == 0) & ~y.isfinite() | (y == 0) & ~x.isfinite()
    return torch.where(is_nothing, 0, x) * torch.where(is_nothing, 0, y)"""
OVER = """def _over(x, y):
    return x / torch.where((x == 0) & (y == 0), 1, y)"""
SOFTPLUS = """def _softplus(x):
    return np.logaddexp(0, x)"""
LOGSIGMOID = """def _logsigmoid(x):
    return -np.logaddexp(0, -x)"""
LOGSUMEXP = """def _logsumexp(x, axis):
    top = x.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(x - top).sum(axis=axis))"""
LOG_SOFTMAX = """def _log_softmax(x, axis):
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))"""
OF_NUMPY = {
    **CHOOSING,
    "logcumsumexp": LOGCUMSUMEXP,
    "softplus": SOFTPLUS,
    "logsigmoid": LOGSIGMOID,
    "logsumexp": LOGSUMEXP,
    "log_softmax": LOG_SOFTMAX,
    "one_hot": ONE_HOT,
    "added_at": OF_NUMPY_ADDED_AT,
    "plus_at": OF_NUMPY_PLUS_AT,
    "added_to": OF_NUMPY_ADDED_TO,
    "scattered": OF_NUMPY_SCATTERED,
    "counted": OF_NUMPY_COUNTED,
    "softmax": SOFTMAX,
    "sigmoid": SIGMOID,
    "relu": RELU,
    "take": """def _take(x, places):\n    return np.take(x, places)""",
    "summed_into": OF_NUMPY_SUMMED_INTO,
    "prod_of_others": OF_NUMPY_PROD_OF_OTHERS,
    **{name: _elementwise(name) for name in ("erf", "erfc", "lgamma")},
}
OF_JAX = {
    "one_hot": "jax.nn.one_hot",
    "softmax": "jax.nn.softmax",
    "sigmoid": "jax.nn.sigmoid",
    "relu": "jax.nn.relu",
    "softplus": "jax.nn.softplus",
    "logsigmoid": "jax.nn.log_sigmoid",
    "log_softmax": "jax.nn.log_softmax",
    "logsumexp": "jax.scipy.special.logsumexp",
    "lgamma": "jax.scipy.special.gammaln",
    "matrix_exp": "jax.scipy.linalg.expm",
    "logcumsumexp": "jax.lax.cumlogsumexp",
}
JAX_HELPERS = {"take": OF_JAX_TAKE, "summed_into": OF_JAX_SUMMED_INTO, "expm_frechet": OF_JAX_EXPM_FRECHET}
JAX_HELPERS |= {"added_at": OF_JAX_ADDED_AT, "plus_at": OF_JAX_PLUS_AT, "added_to": OF_JAX_ADDED_TO}
JAX_HELPERS |= {"scattered": OF_JAX_SCATTERED, "counted": OF_JAX_COUNTED}
JAX_HELPERS |= {"prod_of_others": OF_NUMPY_PROD_OF_OTHERS.replace("np.", "jnp.")}
# JAX sorts stably unless it is told otherwise.
JAX_HELPERS |= {name: text.replace("np.", "jnp.").replace(', kind="stable"', "") for name, text in CHOOSING.items()}
OF_JAX |= {name: f"jax.scipy.special.{name}" for name in ("erf", "erfc", "digamma", "polygamma", "erfinv")}

# What raises where a matrix is singular, for code that has to go on.
INV = """def _inv(x):
    inverse, info = torch.linalg.inv_ex(x)
    return torch.where(info[..., None, None] == 0, inverse, math.nan)"""
SOLVE = """def _solve(a, b):
    solution, info = torch.linalg.solve_ex(a, b)
    return torch.where(info[..., None, None] == 0, solution, math.nan)"""
SHORTEST = """def _shortest(a, b):
    regular = (torch.linalg.matrix_rank(a) == a.shape[-1])[..., None, None]
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    solution, _ = torch.linalg.solve_ex(torch.where(regular, a, one), b)
    return torch.where(regular, solution, torch.linalg.pinv(a) @ b)"""
EXPM_FRECHET = """def _expm_frechet(a, e):
    n = a.shape[-1]
    above, below = torch.cat([a, e], -1), torch.cat([torch.zeros_like(a), a], -1)
    return torch.linalg.matrix_exp(torch.cat([above, below], -2))[..., :n, n:]"""
RAISING = {"torch.linalg.inv(": "_inv(", "torch.linalg.solve(": "_solve("}
PLUS = """def _plus(gradient, other):
    \"\"\"Return the sum of a gradient and of another, which may be None.\"\"\"
    return gradient if other is None else gradient + other"""
ARRIVING = """def _arriving(gradient, like, *others):
    \"\"\"Return a gradient, or zeros for None, with all axes that vmap maps the others over.\"\"\"
    gradient = torch.zeros_like(like) if gradient is None else gradient
    for other in others:
        gradient = gradient if other is None else gradient + torch.zeros_like(other)
    return gradient"""
OF_TORCH = {
    "arriving": ARRIVING,
    "plus": PLUS,
    "take": TAKE,
    "summed_into": SUMMED_INTO,
    "added_at": ADDED_AT,
    "plus_at": PLUS_AT,
    "added_to": ADDED_TO,
    "scattered": SCATTERED,
    "counted": COUNTED,
    "prod_of_others": PROD_OF_OTHERS,
    "times": TIMES,
    "over": OVER,
    "inv": INV,
    "solve": SOLVE,
    "shortest": SHORTEST,
    "expm_frechet": EXPM_FRECHET,
}
TORCH = Backend("torch", "torch", ("import torch",), "dim", "keepdim", {}, OF_TORCH)
NUMPY = Backend("numpy", "np", ("import numpy as np",), "axis", "keepdims", _named("np"), OF_NUMPY)
JAX = Backend(
    "jax", "jnp", ("import jax", "import jax.numpy as jnp"), "axis", "keepdims", _named("jnp") | OF_JAX, JAX_HELPERS
)
BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in (TORCH, NUMPY, JAX)}
