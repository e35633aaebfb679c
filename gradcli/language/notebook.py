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
# Methods that are called as a type is.
CASTS = frozenset({"float", "double", "half", "bfloat16", "long", "int", "short", "bool"})
# Methods that fill a new tensor with random numbers.
DRAWN_IN_PLACE = frozenset({"random_", "uniform_", "normal_"})
METHODS = (
    CASTS
    | DRAWN_IN_PLACE
    | {
        "to",
        "type",
        "type_as",
        "cpu",
        "cuda",
        "item",
        "tolist",
        "append",
        "size",
        "numel",
        "dim",
        "ndimension",
    }
)
DRAWS = frozenset({"rand", "randn", "randint", "randperm", "normal", "rand_like", "randn_like", "randint_like"})
NUMBERS = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "pow", "round", "sum"})
_MATH = """acos acosh asin asinh atan atan2 atanh ceil cos cosh degrees dist erf erfc exp exp2 expm1 fabs floor fmod
gamma hypot isfinite isinf isnan lgamma log log10 log1p log2 pow prod radians sin sinh sqrt tan tanh trunc"""
MATH = frozenset(f"math.{name}" for name in _MATH.split())
SETTINGS = frozenset({"manual_seed", "set_default_dtype", "device", "cuda.is_available"})
FUNCTIONS = DRAWS | NUMBERS | MATH | SETTINGS
# Functions that make a tensor, and so take `requires_grad`, `dtype` and `device`.
MAKERS = frozenset(
    {*DRAWS, *TENSORS, "empty", "tensor", "as_tensor", "ones", "zeros", "full", "arange", "linspace", "eye"}
    | {"ones_like", "zeros_like", "full_like"}
)
# The same function under a different name.
ALIASES: Mapping[str, str] = {
    "as_tensor": "tensor",
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

# Modules without parameters: the function that each is, and the names of its arguments in their order.
MODULES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "MSELoss": ("mse_loss", ()),
    "L1Loss": ("l1_loss", ()),
    "SmoothL1Loss": ("smooth_l1_loss", ()),
    "HuberLoss": ("huber_loss", ("reduction", "delta")),
    "CrossEntropyLoss": ("cross_entropy", ("weight",)),
    "NLLLoss": ("nll_loss", ("weight",)),
    "BCELoss": ("binary_cross_entropy", ("weight",)),
    "BCEWithLogitsLoss": ("binary_cross_entropy_with_logits", ("weight",)),
    "KLDivLoss": ("kl_div", ()),
    "CosineSimilarity": ("cosine_similarity", ("dim", "eps")),
    "TripletMarginLoss": ("triplet_margin_loss", ("margin", "p")),
    "ReLU": ("relu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "GELU": ("gelu", ()),
    "SiLU": ("silu", ()),
    "ELU": ("elu", ("alpha",)),
    "LeakyReLU": ("leaky_relu", ("negative_slope",)),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Softmax": ("softmax", ("dim",)),
    "LogSoftmax": ("log_softmax", ("dim",)),
    "LogSigmoid": ("logsigmoid", ()),
    "Identity": ("clone", ()),
}
# Arguments of modules that change nothing of what they compute.
IGNORED_BY_MODULES = frozenset({"inplace"})
# Modules with parameters, and what to write in their place.
LAYERS: Mapping[str, str] = {
    "Linear": "F.linear(x, W, b)",
    "Bilinear": "F.bilinear(x, y, W, b)",
    "Conv1d": "F.conv1d(x, w, b)",
    "Conv2d": "F.conv2d(x, w, b)",
    "Conv3d": "F.conv3d(x, w, b)",
    "LayerNorm": "F.layer_norm(x, (n,), w, b)",
    "GroupNorm": "F.group_norm(x, groups, w, b)",
    "BatchNorm1d": "F.batch_norm(x, None, None, w, b, training=True)",
    "BatchNorm2d": "F.batch_norm(x, None, None, w, b, training=True)",
    "Embedding": "F.embedding(index, W)",
    "Dropout": "x*mask",
    "Sequential": "F.linear(relu(F.linear(x, W1, b1)), W2, b2)",
}

# Statements that compute nothing: these calls, and lines that only look at such attributes.
SHOWING = frozenset({"print", "pprint", "display", "repr", "type", "help", "input", "id", "make_dot"})
PEEKING = frozenset({"grad", "grad_fn", "requires_grad", "is_leaf", "next_functions", "retains_grad", "is_cuda"})
TENDING = frozenset(
    {"zero_grad", "step", "train", "eval", "share_memory_", "set_printoptions", "show", "seed", "remove"}
    | {"clip_grad_norm_", "clip_grad_value_"}
    | {"set_default_device", "use_deterministic_algorithms", "set_float32_matmul_precision", "set_num_threads"}
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
    "array": "numbers are a tensor by `tensor([1., 2.])`",
    "constant": "numbers are a tensor by `tensor([1., 2.])`",
    "expit": "write `sigmoid(x)`",
    "identity": "an identity matrix is `eye(n)`",
    "matrix_transpose": "a transpose is `X.T`",
    "grad": "gradcli differentiates the last statement: leave `grad` out",
    "backward": "gradcli differentiates the last statement: leave `backward` out",
    "numpy": "leave it out: the numbers are shown as they are",
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
    "func.grad": "write what the function computes as the program, and run `gradcli grad`",
    "func.jacrev": "write what the function computes as the program, and run `gradcli jacobian`",
    "func.jacfwd": "write what the function computes as the program, and run `gradcli jacobian`",
    "func.hessian": "write what the function computes as the program, and run `gradcli hessian`",
    "func.vmap": "write what the function computes for the whole batch",
    "gradcheck": "write what the function computes as the program, and run `gradcli check`",
    "jacobian": "write what the function computes as the program, and run `gradcli jacobian`",
    "hessian": "write what the function computes as the program, and run `gradcli hessian`",
    "vmap": "write what the function computes for the whole batch",
    "dropout": "its mask is random: multiply by a mask, such as `mask = torch.rand(3) > 0.5; x*mask/0.5`",
    "softmax2d": "write `softmax(x, dim=1)`",
}
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
