"""The words of a notebook that are no ops: what makes leaves, draws, casts, computes numbers, or is passed over.

A word is a row here; what it does while a program runs is a row of the same name in `execution/forward/notebook.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

# Types by PyTorch's words; `default` is the type of the run, which stands for a notebook's float32 and float64.
DTYPES: Mapping[str, str] = {
    **dict.fromkeys(("float", "float32", "double", "float64"), "default"),
    **dict.fromkeys(("half", "float16"), "float16"),
    "bfloat16": "bfloat16",
    **dict.fromkeys(("int64", "long"), "int64"),
    **dict.fromkeys(("int32", "int"), "int32"),
    **dict.fromkeys(("int16", "short"), "int16"),
    "int8": "int8",
    "uint8": "uint8",
    "bool": "bool",
}
# Python's own types, by the words of PyTorch's that they stand for as a `dtype`.
PYTHON_TYPES: Mapping[str, str] = {"bool": "bool", "float": "float64", "int": "int64"}
# Before the name of one of Python's own classes, `isinstance(x, float)`.
PYTHON = "python."
CLASSES = frozenset({"bool", "dict", "float", "int", "list", "str", "tuple"})
# Tensor types of old, by the word that each means.
TENSORS: Mapping[str, str] = {
    "Tensor": "float",
    "FloatTensor": "float",
    "DoubleTensor": "double",
    "HalfTensor": "half",
    "BFloat16Tensor": "bfloat16",
    "LongTensor": "long",
    "IntTensor": "int",
    "ShortTensor": "short",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}
# Of `torch.distributions`: what a program may make, and ask of it.
_DISTRIBUTIONS = """Bernoulli Beta Binomial Categorical Cauchy Dirichlet Exponential Gamma Geometric Gumbel HalfNormal
Independent Laplace LogNormal Multinomial MultivariateNormal NegativeBinomial Normal OneHotCategorical Poisson StudentT
Uniform kl_divergence"""
DISTRIBUTIONS = frozenset(f"distributions.{name}" for name in _DISTRIBUTIONS.split())
DISTRIBUTION_METHODS = frozenset({"log_prob", "sample", "rsample", "entropy", "cdf", "icdf", "expand", "perplexity"})
_ASKED = """mean variance stddev loc scale probs logits rate concentration low high mode batch_shape event_shape df
covariance_matrix precision_matrix scale_tril base_dist total_count"""
DISTRIBUTION_ATTRIBUTES = frozenset(_ASKED.split())
CLASS_NAME = "__class__.__name__"  # the method that `m.__class__.__name__` is read as
# Methods that are called as a type is.
CASTS = frozenset({"float", "double", "half", "bfloat16", "long", "int", "short", "bool"})
# Methods that fill a new tensor with random numbers.
DRAWN_IN_PLACE = frozenset({"random_", "uniform_", "normal_"})
# Methods that give a tensor other numbers, and what does so in `torch.nn.init`.
FILLS = DRAWN_IN_PLACE | {"copy_", "fill_", "zero_"}
_INITIALISERS = """constant eye kaiming_normal kaiming_uniform normal ones orthogonal trunc_normal uniform
xavier_normal xavier_uniform zeros"""
INITIALISERS = frozenset(f"{name}_" for name in _INITIALISERS.split())
# Methods of Python's lists that change them, and methods of dictionaries that only look into them.
GROWING = frozenset({"append", "extend", "insert"})
LIST_METHODS = GROWING | {"clear", "copy", "pop", "reverse"}
DICTIONARY_METHODS = frozenset({"copy", "get", "items", "keys", "update", "values"})
TEXT_METHODS = frozenset({"endswith", "find", "lower", "split", "startswith", "strip", "upper"})
# Methods of tensors that PyTorch has in place alone, by their names without the underscore.
IN_PLACE_ALONE = frozenset({"fill_diagonal"})
METHODS = (
    CASTS
    | LIST_METHODS
    | DICTIONARY_METHODS
    | TEXT_METHODS
    | DRAWN_IN_PLACE
    | DISTRIBUTION_METHODS
    | {
        "to",
        "type",
        "type_as",
        "cpu",
        "cuda",
        "item",
        "tolist",
        CLASS_NAME,
        "size",
        "numpy",
        "numel",
        "dim",
        "ndimension",
    }
)
DRAWS = frozenset({"rand", "randn", "randint", "randperm", "normal", "rand_like", "randn_like", "randint_like"}) | {
    "bernoulli",
    "multinomial",
}
# Ops that draw random numbers where they are not told them.
_DROPPING = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"
RANDOM = frozenset({*_DROPPING.split(), "rrelu", "fractional_max_pool2d", "fractional_max_pool3d"})
NUMBERS = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "pow", "round", "sum"})
# What loops run over, and what makes lists.
SEQUENCES = frozenset({"dict", "enumerate", "list", "range", "reversed", "set", "sorted", "tuple", "zip"})
_MATH = """acos acosh asin asinh atan atan2 atanh ceil cos cosh degrees dist erf erfc exp exp2 expm1 fabs floor fmod
gamma hypot isfinite isinf isnan lgamma log log10 log1p log2 pow prod radians sin sinh sqrt tan tanh trunc"""
# NumPy's functions of numbers, by Python's own.
_NUMPY = "exp log log10 log2 sqrt sin cos tan tanh floor ceil"
MATH = frozenset(f"math.{name}" for name in _MATH.split()) | frozenset(f"np.{name}" for name in _NUMPY.split())
SETTINGS = frozenset({"manual_seed", "set_default_dtype", "device", "cuda.is_available"})
# What makes a function of another one.
TRANSFORMS = frozenset(
    {"vmap", "func.vmap", "grad", "func.grad", "checkpoint", "utils.checkpoint.checkpoint"}
    | {"functional_call", "func.functional_call"}
)
# What makes batches of tensors, of `torch.utils.data`.
LOADERS = frozenset({"utils.data.TensorDataset", "utils.data.DataLoader"})
# What goes through items one at a time.
STEPS = frozenset({"iter", "next"})
FUNCTIONS = (
    STEPS
    | LOADERS
    | TRANSFORMS
    | DISTRIBUTIONS
    | DRAWS
    | NUMBERS
    | SEQUENCES
    | MATH
    | SETTINGS
    | RANDOM
    | {"gumbel_softmax", "isinstance", "type", "nn.init._calculate_fan_in_and_fan_out"}
)
# NumPy's functions that make arrays, by PyTorch's that make tensors of the same numbers.
ARRAYS = frozenset(
    {"array", "asarray", "arange", "eye", "full", "linspace", "ones", "zeros", "ones_like", "zeros_like"}
)
# Functions that make a tensor, and so take `requires_grad`, `dtype` and `device`.
MAKERS = frozenset(
    {*DRAWS, *TENSORS, "empty", "tensor", "as_tensor", "ones", "zeros", "full", "arange", "linspace", "eye"}
    | {"ones_like", "zeros_like", "full_like"}
)
# The same function under a different name.
ALIASES: Mapping[str, str] = {
    "as_tensor": "tensor",
    "spmm": "mm",
    "from_numpy": "detach",
    "array": "tensor",
    "asarray": "tensor",
    "empty": "zeros",
    "new_zeros": "zeros",
    "new_ones": "ones",
    "new_full": "full",
    "new_tensor": "tensor",
    "cuda.manual_seed": "manual_seed",
    "cuda.manual_seed_all": "manual_seed",
    "random.manual_seed": "manual_seed",
}
# Arguments that say where a tensor is kept.
PLACES = frozenset({"device", "layout", "pin_memory", "memory_format", "non_blocking", "copy"})
# What makes a tensor a leaf, and whether it does so unless it is told.
LEAVES: Mapping[str, bool] = {"nn.Parameter": True, "Parameter": True, "autograd.Variable": False, "Variable": False}

# What PyTorch's layers compute bounds of their parameters from.
FANS = "nn.init._calculate_fan_in_and_fan_out"

# Methods of modules, beside their call.
_WALKING = frozenset({"modules", "children", "named_modules", "named_children"})
MODULE_METHODS = _WALKING | frozenset(
    {"forward", "parameters", "named_parameters", "train", "eval", "requires_grad_", "apply"}
    | {"state_dict", "load_state_dict"}
)

# Statements that compute nothing: these calls, and lines that only look at such attributes.
SHOWING = frozenset({"print", "pprint", "display", "repr", "type", "help", "input", "id", "make_dot"})
# What makes numbers, arrays or an answer of tensors, with which no output is computed.
LEAVING = frozenset({"item", "tolist", "numpy", "float", "int", "allclose", "equal", "isclose", "array_equal"})
PEEKING = frozenset({"grad", "grad_fn", "requires_grad", "is_leaf", "next_functions", "retains_grad", "is_cuda"})
TENDING = frozenset(
    {"zero_grad", "step", "train", "eval", "share_memory_", "set_printoptions", "show", "seed", "remove"}
    | {"clip_grad_norm_", "clip_grad_value_"}
    | {"set_default_device", "use_deterministic_algorithms", "set_float32_matmul_precision", "set_num_threads"}
)
# What calls a function of the program's own during the forward or the backward pass.
HOOKS = frozenset(
    {"register_hook", "register_post_accumulate_grad_hook", "register_forward_hook", "register_forward_pre_hook"}
    | {"register_full_backward_hook", "register_full_backward_pre_hook", "register_backward_hook"}
)
PLOTTING = frozenset({"plt", "sns", "writer", "wandb", "logging", "logger", "warnings", "pbar", "tqdm"})

# What other libraries and other hands call it.
HABITS: Mapping[str, str] = {
    "ln": "the natural logarithm is `log(x)`",
    "lg": "the logarithm to base 10 is `log10(x)`",
    "sqr": "a square is `x**2` or `square(x)`",
    "cot": "write `1/tan(x)`",
    "sec": "write `1/cos(x)`",
    "csc": "write `1/sin(x)`",
    "tg": "the tangent is `tan(x)`",
    "arctg": "the arc tangent is `atan(x)`",
    "average": "the mean is `mean(x)`",
    "avg": "the mean is `mean(x)`",
    "reduce_sum": "a sum is `sum(x)`",
    "reduce_mean": "a mean is `mean(x)`",
    "reduce_max": "a maximum is `amax(x)`",
    "constant": "numbers are a tensor by `tensor([1., 2.])`",
    "expit": "write `sigmoid(x)`",
    "identity": "an identity matrix is `eye(n)`",
    "matrix_transpose": "a transpose is `X.T`",
    "backward": "gradcli differentiates the last statement: leave `backward` out",
    "register_hook": "leave the hook out; `gradcli eval --hooks` shows when hooks fire",
    "parameters": "name the parameters as leaves; a whole script is run by `gradcli run FILE.py`",
    "save_for_backward": "`gradcli custom FILE.py:Class` checks a torch.autograd.Function",
    "apply": "`gradcli custom FILE.py:Class` checks a torch.autograd.Function",
    "autograd.functional.jacobian": "write what the function computes as the program, and run `gradcli jacobian`",
    "autograd.functional.hessian": "write what the function computes as the program, and run `gradcli hessian`",
    "autograd.functional.jvp": "write what the function computes as the program, and run `gradcli jvp`",
    "autograd.functional.vjp": "write what the function computes as the program; `gradcli grad --grad-output` gives v",
    "autograd.functional.hvp": "write what the function computes as the program, and run `gradcli hessian`",
    "autograd.gradcheck": "write what the function computes as the program, and run `gradcli check`",
    "autograd.gradgradcheck": "write what the function computes as the program, and run `gradcli double-backward`",
    "func.jacrev": "write what the function computes as the program, and run `gradcli jacobian`",
    "func.jacfwd": "write what the function computes as the program, and run `gradcli jacobian`",
    "func.hessian": "write what the function computes as the program, and run `gradcli hessian`",
    "gradcheck": "write what the function computes as the program, and run `gradcli check`",
    "jacobian": "write what the function computes as the program, and run `gradcli jacobian`",
    "hessian": "write what the function computes as the program, and run `gradcli hessian`",
    "softmax2d": "write `softmax(x, dim=1)`",
}
# What people call functions and modules of their own.
_OWN = """actor classifier criterion critic decoder discriminator encoder fc func generator layer linear loss_fn
loss_func lstm model module net network policy predict student teacher value_net"""
OWN = frozenset(_OWN.split())
# Libraries whose functions have no meaning here.
FOREIGN: Mapping[str, str] = {
    "np": "NumPy",
    "numpy": "NumPy",
    "tf": "TensorFlow",
    "jnp": "JAX",
    "jax": "JAX",
    "scipy": "SciPy",
    "cp": "CuPy",
}
