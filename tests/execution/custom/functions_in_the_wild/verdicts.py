"""Each Function of this folder: how it is called, the verdict that it should get, and why where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
LOGITS = {"x": (3, 4)}
LABELS = {"labels": [0, 2, 1]}
# One block of the matrix of distances, and spectra that are not symmetric.
SQUARE = [[2.0, 0.5, 0.25], [0.5, 1.5, 0.125], [0.25, 0.125, 1.0]]
WEIGHTS = {"W": [[0.125, -0.25, 0.0625], [0.1875, 0.0625, -0.125], [-0.0625, 0.125, 0.25]]}
ANGLES: Shapes = {"x": (3, 4), "cos": (3, 2), "sin": (3, 2)}
ATTENTION: Shapes = {"q": (3, 4), "k": (4, 4), "v": (4, 4)}
IMAGE: Shapes = {"image": (4, 4)}
EDGES = {"indices": [[0, 1, 2], [2, 0, 1]], "shape": (3, 3)}
POINTS = {"xy": [[0.25, 1.5], [0.625, 1.375], [1.5, 1.125]]}


@dataclass(frozen=True, slots=True)
class Case:
    """One Function, called in one way; `says` is a pattern that the report's notes must have."""

    target: str
    verdict: str = "match"
    says: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def case(target: str, shapes: Shapes | None = None, verdict: str = "match", says: str = "", **options: Any) -> Case:
    """Return a case; `shapes` and `options` are those of `gradcli.check_function`."""
    return Case(target, verdict, says, {**options, **({"shapes": shapes} if shapes else {})})


def wrong(target: str, shapes: Shapes | None, says: str, **options: Any) -> Case:
    """Return a case of a Function that is wrong."""
    return case(target, shapes, "mismatch", says, **options)


ACTIVATIONS = (
    case("activations:Swish", {"i": (3, 4)}),
    wrong("activations:SwishLosesATerm", {"i": (3, 4)}, r"the (term|factor) .* is missing"),
    wrong("activations:SwishSavesTheSigmoid", LOGITS, "an intermediate result"),
    case("activations:SwishInPlace", LOGITS),
    case("activations:Mish", LOGITS),
    wrong("activations:MishForgetsTheSquare", LOGITS, "entries differ"),
    case("activations:HardSwish", LOGITS),
    wrong("activations:HardSwishIsZeroBeyond", LOGITS, r"wrong only where x > 3"),
    case("activations:HardSigmoid", LOGITS),
    wrong("activations:HardSigmoidLosesTheSlope", LOGITS, r"times 5"),
    case("activations:GeluTanh", LOGITS),
    wrong("activations:GeluTanhRoundsItsConstants", LOGITS, "entries differ"),
    case("activations:GeluTanhRoundsItsConstants", LOGITS, dtype="float32"),
    wrong("activations:GeluTanhForgetsTheCube", LOGITS, r"the (term|factor) .* is missing"),
    case("activations:SwiGlu", {"x": (3, 4)}),
    case("activations:SwiGluWithTwoInputs", {"a": (3, 4), "b": (3, 4)}),
    wrong("activations:SwiGluSwapsItsGradients", {"a": (3, 4), "b": (3, 4)}, "are swapped"),
    case("activations:SquaredRelu", LOGITS),
    wrong("activations:SquaredReluOverwritesWhatItSaves", LOGITS, "then changes it in place"),
    case("activations:Snake", {"x": (3, 4), "a": (4,)}),
    wrong(
        "activations:SnakeWithoutItsLimit",
        {"x": (3, 4), "a": (4,)},
        r"the gradient is NaN at .*, where the derivative is",
    ),
    wrong("activations:SnakeForgetsTheSum", {"x": (3, 4), "a": (4,)}, r"the sum over .* is missing"),
    case("activations:ReluInPlace", LOGITS),
    wrong("activations:ReluNotMarkedDirty", LOGITS, "does not call mark_dirty"),
)
LOSSES = (
    case("losses:SigmoidFocalLoss", {"logits": (3, 2), "targets": (3, 2)}, constants=("targets",)),
    wrong(
        "losses:SigmoidFocalLossForgetsTheModulation",
        {"logits": (3, 2), "targets": (3, 2)},
        "entries differ",
        constants=("targets",),
    ),
    case("losses:DiceLoss", {"input": (2, 3), "target": (2, 3)}),
    wrong("losses:DiceLossHasNoGradientForTheTarget", {"input": (2, 3), "target": (2, 3)}, "returns None for 'target'"),
    case("losses:LabelSmoothingCrossEntropy", {"logits": (3, 4)}, inputs=LABELS, constants=("labels",)),
    wrong("losses:LabelSmoothingForgetsTheMean", {"logits": (3, 4)}, "times 3", inputs=LABELS, constants=("labels",)),
    case(
        "losses:FusedCrossEntropy", {"x": (3, 2), "weight": (4, 2)}, inputs={"target": [0, 3, 1]}, constants=("target",)
    ),
    wrong(
        "losses:FusedCrossEntropyIgnoresGradOutput",
        {"x": (3, 2), "weight": (4, 2)},
        "ignores",
        inputs={"target": [0, 3, 1]},
        constants=("target",),
    ),
    case("losses:LovaszHinge", {"logits": (5,)}, inputs={"labels": [1.0, 0.0, 1.0, 0.0, 1.0]}, constants=("labels",)),
    wrong(
        "losses:LovaszHingeForgetsToUnsort",
        {"logits": (5,)},
        "entries differ",
        inputs={"labels": [1.0, 0.0, 1.0, 0.0, 1.0]},
        constants=("labels",),
    ),
    case("losses:TverskyLoss", {"p": (2, 3), "t": (2, 3)}),
    case("losses:HuberLoss", {"pred": (5,), "target": (5,)}, inputs={"delta": 1.0}),
    case("losses:HuberLoss", {"pred": (5,), "target": (5,)}, inputs={"delta": 0.3}),
    wrong("losses:HuberLossIsAsSteepBeyond", {"pred": (5,), "target": (5,)}, "entries differ", inputs={"delta": 0.3}),
    case("losses:Ctc", {"logits": (4, 3)}),
)
NORMALISATIONS = (
    case("normalisations:LayerNorm", {"x": (3, 4), "weight": (4,), "bias": (4,)}),
    wrong(
        "normalisations:LayerNormForgetsTheMean",
        {"x": (3, 4), "weight": (4,), "bias": (4,)},
        r"the (term|factor) .* is missing",
    ),
    wrong(
        "normalisations:LayerNormAlongTheWrongAxis", {"x": (3, 4), "weight": (4,), "bias": (4,)}, "along the wrong axis"
    ),
    case("normalisations:RmsNorm", {"x": (3, 4), "weight": (4,)}),
    wrong(
        "normalisations:RmsNormForgetsTheProjection", {"x": (3, 4), "weight": (4,)}, r"the (term|factor) .* is missing"
    ),
    case("normalisations:GroupNorm", {"x": (2, 4, 3), "weight": (4,)}),
    wrong("normalisations:GroupNormSumsOneAxisOnly", {"x": (2, 4, 3), "weight": (4,)}, "entries differ"),
    case(
        "normalisations:BatchNorm",
        {"x": (4, 3), "gamma": (3,), "beta": (3,), "running_mean": (3,)},
        constants=("running_mean",),
    ),
    wrong(
        "normalisations:BatchNormForgetsTheVariance",
        {"x": (4, 3), "gamma": (3,), "beta": (3,), "running_mean": (3,)},
        r"the (term|factor) .* is missing",
        constants=("running_mean",),
    ),
    case("normalisations:WeightNorm", {"v": (3, 4), "g": (3, 1)}),
    wrong(
        "normalisations:WeightNormTakesTheNormAsConstant",
        {"v": (3, 4), "g": (3, 1)},
        r"the (term|factor) .* is missing",
    ),
    case("normalisations:L2Normalize", LOGITS),
    wrong("normalisations:L2NormalizeForgetsToDivide", LOGITS, "norm"),
    case("normalisations:StableLogSumExp", LOGITS),
    wrong("normalisations:LogSumExpOverflows", LOGITS, "entries of 1000"),
)
SPARSE = (
    case("sparse:Sparsemax", {"input": (3, 4)}),
    # With what is drawn for 3x5 an entry is exactly the threshold; the second point is made for that.
    case("sparse:Sparsemax", {"input": (3, 5)}),
    case("sparse:Sparsemax", verdict="subgradient", says="at a kink", inputs={"input": [1.0, 0.5, 0.25, -2.0]}),
    wrong("sparse:SparsemaxMeansOverAll", {"input": (3, 4)}, "entries differ"),
    case("sparse:Entmax15", {"X": (3, 4)}),
    wrong("sparse:Entmax15ForgetsTheNormaliser", {"X": (3, 4)}, "entries differ"),
    case("sparse:SparsemaxBisect", {"X": (3, 4)}, "undecided", "--reference"),
    wrong("sparse:SparsemaxBisectForgetsTheSupport", {"X": (3, 4)}, "agree neither with backward nor"),
    case("sparse:TopK", LOGITS),
    case("sparse:CumulativeMax", {"x": (5, 2)}),
    wrong("sparse:CumulativeMaxOverwrites", {"x": (5, 2)}, "entries differ"),
    case("sparse:ScatterMean", {"src": (4, 2)}, inputs={"index": [0, 2, 0, 1]}, constants=("index",)),
    wrong(
        "sparse:ScatterMeanForgetsTheCount",
        {"src": (4, 2)},
        "entries differ",
        inputs={"index": [0, 2, 0, 1]},
        constants=("index",),
    ),
    case("sparse:RaggedSoftmax", {"x": (6,)}),
    wrong("sparse:RaggedSoftmaxSumsOverAll", {"x": (6,)}, "entries differ"),
    case("sparse:Chamfer", {"xyz1": (3, 2), "xyz2": (4, 2)}),
    wrong("sparse:ChamferIsOneSided", {"xyz1": (3, 2), "xyz2": (4, 2)}, "entries differ"),
)
QUANTISERS = (
    wrong("quantisers:RoundStraightThrough", LOGITS, "forward is constant"),
    case("quantisers:RoundStraightThrough", LOGITS, surrogate="x"),
    case("quantisers:RoundStraightThroughInPlace", LOGITS, surrogate="x"),
    case("quantisers:SoftRound", LOGITS),
    wrong("quantisers:SoftRoundForgetsTheInnerFactor", LOGITS, "entries differ"),
    wrong("quantisers:LearnedStepSize", {"x": (3, 4), "alpha": (1,)}, "forward is constant"),
    wrong("quantisers:DoReFa", LOGITS, "forward is constant"),
    case("quantisers:DoReFa", LOGITS, surrogate="x"),
    wrong("quantisers:Binarize", {"input": (5,)}, "forward is constant"),
    case("quantisers:Binarize", {"input": (5,)}, surrogate="clamp(input, -1, 1)"),
    wrong("quantisers:BinarizeNeverClips", {"input": (5,)}, "wrong only where", surrogate="clamp(input, -1, 1)"),
    wrong("quantisers:Ternarize", {"x": (5,)}, "forward is constant"),
    case("quantisers:Ternarize", {"x": (5,)}, surrogate="x"),
    wrong("quantisers:FastSigmoidSpike", {"input_": (5,)}, "forward is constant"),
    case("quantisers:FastSigmoidSpike", {"input_": (5,)}, surrogate="input_ / (1 + 25*abs(input_))"),
    wrong(
        "quantisers:FastSigmoidSpikeIsNotSquared",
        {"input_": (5,)},
        "entries differ",
        surrogate="input_ / (1 + 25*abs(input_))",
    ),
    wrong("quantisers:AtanSpike", {"x": (5,)}, "forward is constant"),
    case("quantisers:AtanSpike", {"x": (5,)}, surrogate="atan(pi*x)/pi"),
    wrong("quantisers:GradientReversal", LOGITS, "the sign is wrong"),
    case("quantisers:GradientReversal", LOGITS, surrogate="-x"),
    wrong("quantisers:GradientClipping", LOGITS, "not linear"),
    wrong("quantisers:FakeQuantize", LOGITS, "forward is constant"),
    wrong("quantisers:ClampStraightThrough", LOGITS, r"wrong only where (x|\|x\|) > 1"),
)
SEQUENCES = (
    case("sequences:Rotary", ANGLES, constants=("cos", "sin")),
    wrong("sequences:RotaryTurnsTheSameWay", ANGLES, "entries differ", constants=("cos", "sin")),
    case("sequences:TiledAttention", ATTENTION),
    wrong("sequences:TiledAttentionForgetsDelta", ATTENTION, "entries differ"),
    wrong("sequences:TiledAttentionForgetsTheScale", ATTENTION, "times 2"),
    case("sequences:CausalLinearAttention", {"q": (3, 2), "k": (3, 2), "v": (3, 2)}),
    wrong("sequences:CausalLinearAttentionSumsTheWrongWay", {"q": (3, 2), "k": (3, 2), "v": (3, 2)}, "entries differ"),
    case("sequences:SelectiveScan", {"a": (4, 2), "b": (4, 2)}),
    wrong("sequences:SelectiveScanReadsTheWrongState", {"a": (4, 2), "b": (4, 2)}, "entries differ"),
    case("sequences:SoftDtw", {"D": (3, 4)}),
    case("sequences:SoftDtwInNumpy", {"D": (3, 4)}, "undecided", r"numpy\(\).*--reference"),
    wrong("sequences:SoftDtwForgetsACell", {"D": (3, 4)}, "entries differ"),
)
ALGEBRA = (
    case("algebra:MatrixInverse", {"A": (3, 3)}),
    wrong("algebra:MatrixInverseForgetsATranspose", {"A": (3, 3)}, "transpose"),
    case("algebra:MatrixSquareRoot", inputs={"A": SQUARE}),
    case("algebra:LogDeterminant", inputs={"A": SQUARE}),
    case("algebra:LowRankLinear", {"x": (3, 2), "w": (4, 2), "a": (1, 2), "b": (4, 1)}, constants=("w",)),
    wrong(
        "algebra:LowRankLinearForgetsTheScaling",
        {"x": (3, 2), "w": (4, 2), "a": (1, 2), "b": (4, 1)},
        "times 2",
        constants=("w",),
    ),
    wrong("algebra:TruncatedSvd", {"A": (3, 4)}, "entries differ"),
    case("algebra:FixedPoint", {"x": (3,)}, inputs=WEIGHTS, constants=("W",)),
    wrong("algebra:FixedPointUnrollsOnce", {"x": (3,)}, "entries differ", inputs=WEIGHTS, constants=("W",)),
    case("algebra:ComplexProduct", {"a": (3,), "b": (3,)}, dtype="complex128"),
    wrong(
        "algebra:ComplexProductForgetsToConjugate",
        {"a": (3,), "b": (3,)},
        "with operand 2 of mul conjugated",
        dtype="complex128",
    ),
    case("algebra:ModRelu", {"z": (4,)}, dtype="complex128"),
    case("algebra:FftConvolution", {"u": (2, 6), "k": (6,)}),
    wrong("algebra:FftConvolutionForgetsToConjugate", {"u": (2, 6), "k": (6,)}, "with operand 2 of mul conjugated"),
    case("algebra:BilinearSample", IMAGE, inputs=POINTS),
    wrong("algebra:BilinearSampleKeepsTheLast", IMAGE, "entries differ", inputs=POINTS),
    case("algebra:ReversibleBlock", {"x": (3, 4), "w": (2, 2), "v": (2, 2)}),
    wrong("algebra:ReversibleBlockForgetsAPath", {"x": (3, 4), "w": (2, 2), "v": (2, 2)}, "entries differ"),
    case("algebra:RootByEigenvectors", inputs={"A": SQUARE}),
    wrong("algebra:RootByEigenvectorsForgetsToSolve", None, "entries differ", inputs={"A": SQUARE}),
    case("algebra:Chamfer", {"a": (4, 3), "b": (5, 3)}),
    case("algebra:Unique", {"x": (5,)}, "undecided", "cannot differentiate forward's own calls"),
    wrong("algebra:UniqueForgetsToSort", {"x": (5,)}, "a grad_output that is not all ones, finite differences"),
    case("algebra:SparseProduct", {"values": (3,), "b": (3, 2)}, inputs=EDGES, constants=("indices",)),
    wrong(
        "algebra:SparseProductReadsColumnsFirst",
        {"values": (3,), "b": (3, 2)},
        "3 of 3 entries differ",
        inputs=EDGES,
        constants=("indices",),
    ),
    wrong(
        "algebra:SparseProductKeepsTheMatrix",
        {"values": (3,), "b": (3, 2)},
        r"an intermediate result of shape \(3, 3\)",
        inputs=EDGES,
        constants=("indices",),
    ),
    wrong(
        "algebra:SparseProductHoldsTheMatrix",
        {"values": (3,), "b": (3, 2)},
        "ctx.a holds a tensor that is neither input nor output",
        inputs=EDGES,
        constants=("indices",),
    ),
    case("algebra:Patches", {"x": (1, 2, 4, 4), "w": (3, 2, 2, 2)}),
)
CASES = (*ACTIVATIONS, *LOSSES, *NORMALISATIONS, *SPARSE, *QUANTISERS, *SEQUENCES, *ALGEBRA)
