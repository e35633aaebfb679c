"""Modules of `torch.nn`: the function that each one calls, with which of its attributes, and what its parameters are.

A module is made by PyTorch's own class, so that sizes, defaults and random parameters are PyTorch's. What it computes
is a call of its row's function: the inputs, and then the row's attributes by name. `p=norm` gives attribute `norm` to
the argument `p`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from gradcli.language.order import SyntaxNode, children
from gradcli.language.program import Call, Class, Dictionary, Expression, Leaf, Literal, Sequence, SetAttribute

PARAMETERS = ("weight", "bias")
# Arguments that leave a parameter out.
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "bias": ("bias",),
    "affine": PARAMETERS,
    "elementwise_affine": PARAMETERS,
}
# Attributes that no row passes on: the only value that they may have.
UNREAD: Mapping[str, object] = {
    "padding_mode": "zeros",
    "return_indices": False,
    "divisor_override": None,
    "scale_grad_by_freq": False,
    "sparse": False,
}
# Modules that hold others: they call these in their order, or do not call them.
KEYED = ("ModuleDict", "ParameterDict")
CONTAINERS: frozenset[str | None] = frozenset({"Sequential", "ModuleList", "ParameterList", *KEYED})
MOST = 1000  # parameters of a class that are found before the program runs


@dataclass(frozen=True, slots=True)
class Module:
    """One module: the function that it calls, the attributes that it passes on, and whether it has parameters."""

    function: str
    attributes: tuple[str, ...]
    has_parameters: bool = False
    is_whole: bool = False
    """Whether PyTorch's own code of it is run; `attributes` are then its parameters."""
    inputs: tuple[str, ...] = ()
    """What the function calls the inputs after the first, where they do not stand right after it there."""


def _calls(text: str) -> Module:
    function, *attributes = text.split()
    return Module(function, tuple(attributes))


def _has(text: str) -> Module:
    function, *attributes = text.split()
    return Module(function, tuple(attributes), has_parameters=True)


def _whole(text: str) -> Module:
    return Module("", tuple(text.split()), has_parameters=True, is_whole=True)


_NETWORK = "weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0"
_CELL = "weight_ih weight_hh bias_ih bias_hh"
_ATTENTION = "in_proj_weight in_proj_bias out_proj.weight out_proj.bias"
_BLOCK = "linear1.weight linear1.bias linear2.weight linear2.bias"
_LOSS = "reduction"
_POOL = "kernel_size stride padding"
_CONVOLUTION = "weight bias stride padding dilation groups"
_TRANSPOSED = "weight bias stride padding output_padding groups dilation"
_NORM = "running_mean running_var weight bias training momentum eps"
_AXES = (1, 2, 3)

MODULES: Mapping[str, Module] = {
    "MSELoss": _calls(f"mse_loss {_LOSS}"),
    "L1Loss": _calls(f"l1_loss {_LOSS}"),
    "SmoothL1Loss": _calls(f"smooth_l1_loss {_LOSS} beta"),
    "HuberLoss": _calls(f"huber_loss {_LOSS} delta"),
    "CrossEntropyLoss": _calls(f"cross_entropy weight ignore_index {_LOSS} label_smoothing"),
    "NLLLoss": _calls(f"nll_loss weight ignore_index {_LOSS}"),
    "BCELoss": _calls(f"binary_cross_entropy weight {_LOSS}"),
    "BCEWithLogitsLoss": _calls(f"binary_cross_entropy_with_logits weight pos_weight {_LOSS}"),
    "KLDivLoss": _calls(f"kl_div {_LOSS} log_target"),
    "PoissonNLLLoss": _calls(f"poisson_nll_loss log_input full eps {_LOSS}"),
    "GaussianNLLLoss": _calls(f"gaussian_nll_loss full eps {_LOSS}"),
    "SoftMarginLoss": _calls(f"soft_margin_loss {_LOSS}"),
    "MultiMarginLoss": _calls(f"multi_margin_loss p margin weight {_LOSS}"),
    "HingeEmbeddingLoss": _calls(f"hinge_embedding_loss margin {_LOSS}"),
    "CosineEmbeddingLoss": _calls(f"cosine_embedding_loss margin {_LOSS}"),
    "CTCLoss": _calls(f"ctc_loss blank {_LOSS} zero_infinity"),
    "MultiLabelMarginLoss": _calls(f"multilabel_margin_loss {_LOSS}"),
    "MultiLabelSoftMarginLoss": _calls(f"multilabel_soft_margin_loss weight {_LOSS}"),
    "MarginRankingLoss": _calls(f"margin_ranking_loss margin {_LOSS}"),
    "TripletMarginLoss": _calls(f"triplet_margin_loss margin p eps swap {_LOSS}"),
    "CosineSimilarity": _calls("cosine_similarity dim eps"),
    "PairwiseDistance": _calls("pairwise_distance p=norm eps keepdim"),
    "ReLU": _calls("relu"),
    "ReLU6": _calls("relu6"),
    "Sigmoid": _calls("sigmoid"),
    "Tanh": _calls("tanh"),
    "Softsign": _calls("softsign"),
    "Tanhshrink": _calls("tanhshrink"),
    "SiLU": _calls("silu"),
    "Mish": _calls("mish"),
    "SELU": _calls("selu"),
    "Hardswish": _calls("hardswish"),
    "Hardsigmoid": _calls("hardsigmoid"),
    "LogSigmoid": _calls("logsigmoid"),
    "GELU": _calls("gelu approximate"),
    "ELU": _calls("elu alpha"),
    "CELU": _calls("celu alpha"),
    "GLU": _calls("glu dim"),
    "LeakyReLU": _calls("leaky_relu negative_slope"),
    "Hardtanh": _calls("hardtanh min_val max_val"),
    "Softplus": _calls("softplus beta threshold"),
    "Softshrink": _calls("softshrink lambd"),
    "Hardshrink": _calls("hardshrink lambd"),
    "Threshold": _calls("threshold threshold value"),
    "Softmax": _calls("softmax dim"),
    "Softmin": _calls("softmin dim"),
    "LogSoftmax": _calls("log_softmax dim"),
    "Identity": _calls("clone"),
    "Flatten": _calls("flatten start_dim end_dim"),
    "Unflatten": _calls("unflatten dim sizes=unflattened_size"),
    "Upsample": _calls("interpolate size scale_factor mode align_corners"),
    "PixelShuffle": _calls("pixel_shuffle upscale_factor"),
    "PixelUnshuffle": _calls("pixel_unshuffle downscale_factor"),
    "ChannelShuffle": _calls("channel_shuffle groups"),
    "Unfold": _calls("nn.functional.unfold kernel_size dilation padding stride"),
    "Fold": _calls("fold output_size kernel_size dilation padding stride"),
    "LocalResponseNorm": _calls("local_response_norm size alpha beta k"),
    "Dropout": _calls("dropout p training"),
    "AlphaDropout": _calls("alpha_dropout p training"),
    "FeatureAlphaDropout": _calls("feature_alpha_dropout p training"),
    **{f"Dropout{n}d": _calls(f"dropout{n}d p training") for n in _AXES},
    "RReLU": _calls("rrelu lower upper training"),
    "Linear": _has("linear weight bias"),
    "Bilinear": _has("bilinear weight bias"),
    "Embedding": _has("embedding weight padding_idx max_norm norm_type"),
    "EmbeddingBag": replace(
        _has("embedding_bag weight max_norm norm_type mode include_last_offset padding_idx"),
        inputs=("offsets", "per_sample_weights"),
    ),
    "PReLU": _has("prelu weight"),
    "LayerNorm": _has("layer_norm normalized_shape weight bias eps"),
    "RMSNorm": _has("rms_norm normalized_shape weight eps"),
    "GroupNorm": _has("group_norm num_groups weight bias eps"),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), _whole(_NETWORK)),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), _whole(_CELL)),
    "MultiheadAttention": _whole(_ATTENTION),
    "TransformerEncoderLayer": _whole(_BLOCK),
    "TransformerDecoderLayer": _whole(_BLOCK),
    **dict.fromkeys(("TransformerEncoder", "TransformerDecoder"), _whole("")),
    **{f"BatchNorm{n}d": _has(f"batch_norm {_NORM}") for n in _AXES},
    **{f"InstanceNorm{n}d": _has("instance_norm weight bias eps") for n in _AXES},
    **{f"Conv{n}d": _has(f"conv{n}d {_CONVOLUTION}") for n in _AXES},
    **{f"ConvTranspose{n}d": _has(f"conv_transpose{n}d {_TRANSPOSED}") for n in _AXES},
    **{f"MaxPool{n}d": _calls(f"max_pool{n}d {_POOL} dilation ceil_mode") for n in _AXES},
    **{f"LPPool{n}d": _calls(f"lp_pool{n}d norm_type kernel_size stride ceil_mode") for n in _AXES},
    **{f"AvgPool{n}d": _calls(f"avg_pool{n}d {_POOL} ceil_mode count_include_pad") for n in _AXES},
    **{f"AdaptiveAvgPool{n}d": _calls(f"adaptive_avg_pool{n}d output_size") for n in _AXES},
    **{f"AdaptiveMaxPool{n}d": _calls(f"adaptive_max_pool{n}d output_size") for n in _AXES},
}
# Of a layer, what a program may read beside its parameters.
SHOWN = frozenset({"in_features", "out_features", "in_channels", "out_channels", "kernel_size", "stride", "padding"}
                  | {"training", "num_features", "num_embeddings", "embedding_dim", "groups", "eps"})  # fmt: skip


def module_name(node: SyntaxNode) -> str | None:
    """Return the name of the module that a call makes: `Linear` for `nn.Linear(3, 2)`; None if it makes none."""
    if not isinstance(node, Call) or node.method or node.operator is not None:
        return None
    space, _, name = node.function.rpartition(".")
    is_ours = name in MODULES or name in CONTAINERS
    return name if is_ours and space in ("", "nn") and (space or name[0].isupper()) else None


class Classes:
    """The classes of a program, with what their instances make: found once for each class."""

    def __init__(self, classes: Iterable[Class]) -> None:
        self.found = {found.name: found for found in classes}
        self._made: dict[str, tuple[tuple[Expression, str], ...]] = {}

    def made(self, name: str) -> tuple[tuple[Expression, str], ...]:
        """Return the parameters of an instance, by the path that leads to them."""
        if name not in self._made:
            self._made[name] = ()  # of a class that makes itself
            pairs = (
                pair
                for attribute, value in _attributes(self.found[name])
                for pair in parameters(value, attribute, self)
            )
            self._made[name] = tuple(islice(pairs, MOST))
        return self._made[name]


def parameters(node: Expression, name: str, classes: Classes) -> Iterator[tuple[Expression, str]]:
    """Yield the parameters of what an expression makes, each with the node that makes it and by PyTorch's name.

    `name` is what the expression is assigned to. Modules made in loops are not found: their names depend on the run.
    """
    kind = module_name(node)
    if isinstance(node, Leaf):
        yield node, name
    elif isinstance(node, Sequence):
        yield from _in_a_row(node.items, f"{name}[{{}}]", classes)
    elif isinstance(node, Dictionary):
        yield from _in_a_dictionary(node, lambda key: f"{name}[{key!r}]", classes)
    elif isinstance(node, Call) and kind in CONTAINERS:
        entries = node.arguments[0] if len(node.arguments) == 1 else None
        if isinstance(entries, Dictionary):
            yield from _in_a_dictionary(entries, lambda key: f"{name}.{key}", classes)
            return
        given = [inner for child in node.arguments for inner in _items(child)]
        yield from _in_a_row(given, f"{name}.{{}}", classes)
    elif isinstance(node, Call) and kind is not None and MODULES[kind].has_parameters:
        yield from ((node, f"{name}.{own}") for own in _own(node, MODULES[kind]))
    elif isinstance(node, Call) and node.function in classes.found:
        yield from ((maker, f"{name}.{path}") for maker, path in classes.made(node.function))


def _in_a_row(items: Iterable[Expression], pattern: str, classes: Classes) -> Iterator[tuple[Expression, str]]:
    for place, item in enumerate(items):
        yield from parameters(item, pattern.replace("{}", str(place)), classes)


def _in_a_dictionary(
    node: Dictionary, named: Callable[[Any], str], classes: Classes
) -> Iterator[tuple[Expression, str]]:
    for key, item in zip(node.keys, node.values, strict=True):
        if isinstance(key, Literal):
            yield from parameters(item, named(key.value), classes)


def _items(node: Expression) -> tuple[Expression, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def _own(call: Call, module: Module) -> Iterator[str]:
    off = [word for word, value in call.keywords if isinstance(value, Literal) and value.value is False]
    without = {name for word in off for name in SWITCHES.get(word, ())}
    if module.is_whole:
        return (name for name in module.attributes if not (without and "bias" in name))
    return (name for name in PARAMETERS if name in module.attributes and name not in without)


def _attributes(found: Class) -> Iterator[tuple[str, Expression]]:
    """Yield what a class's `__init__` assigns to attributes."""
    for method in found.methods:
        for statement in method.body if method.name == "__init__" else ():
            if isinstance(statement, SetAttribute):
                yield statement.name, statement.value


def makers(expression: Expression, classes: Classes) -> Iterator[Expression]:
    """Yield the nodes of an expression that may make leaves; not those in a list or a container, which names them."""
    waiting: list[tuple[SyntaxNode, bool]] = [(expression, False)]
    while waiting:
        node, is_named = waiting.pop()
        if not is_named:
            yield node  # type: ignore[misc]
        names = isinstance(node, Sequence | Dictionary) or (isinstance(node, Call) and module_name(node) in CONTAINERS)
        waiting += [(child, names and _is_named(child, classes)) for child in reversed(children(node))]


def _is_named(node: SyntaxNode, classes: Classes) -> bool:
    """Tell whether a node makes something that a list around it names by its place."""
    if isinstance(node, (Leaf, Sequence, Dictionary)):
        return True
    return isinstance(node, Call) and (module_name(node) is not None or node.function in classes.found)
