"""Whole models of the `transformers` package: are all gradients verified, and what does it cost?

    pip install transformers
    python benchmarks/models.py [NAME ...]

Tiny random configurations of thirteen architectures, a line each: the verdict, the parameters (all of them have a
verdict of their own), the tensors, the time. Last BERT base at 64 tokens, its 110 million gradient entries compared one
by one: the time beside that of one forward and backward, and the memory above the model and its gradients.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers as tf

import gradcli

SIZES = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**SIZES, "num_key_value_heads": 1, "head_dim": 8}
IMAGES = {"embedding_size": 4, "hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 1, 1]}
PATCHES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 8,
    "patch_size": 4,
}
SPEECH = {
    "vocab_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 4,
    "num_labels": 3,
    "mask_time_prob": 0.0,
}
# The class of the model, its configuration, and which inputs it takes.
MODELS: Mapping[str, tuple[str, str, dict[str, Any], str]] = {
    "GPT-2": ("GPT2LMHeadModel", "GPT2Config", {"vocab_size": 30, "n_embd": 16, "n_layer": 2, "n_head": 2}, "text"),
    "BERT": ("BertForMaskedLM", "BertConfig", SIZES, "text"),
    "Llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED, "text"),
    "Mistral": ("MistralForCausalLM", "MistralConfig", GROUPED, "text"),
    "Qwen2": ("Qwen2ForCausalLM", "Qwen2Config", {**SIZES, "num_key_value_heads": 1}, "text"),
    "Gemma": ("GemmaForCausalLM", "GemmaConfig", GROUPED, "text"),
    "T5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {"vocab_size": 30, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
        | {"decoder_start_token_id": 0},
        "text",
    ),
    "Mamba": (
        "MambaForCausalLM",
        "MambaConfig",
        {"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4},
        "text",
    ),
    "DistilBERT": (
        "DistilBertForSequenceClassification",
        "DistilBertConfig",
        {"vocab_size": 30, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 32},
        "sentences",
    ),
    "ViT": ("ViTForImageClassification", "ViTConfig", PATCHES, "patches"),
    "ConvNeXt": (
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {"hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 1, 1], "image_size": 32},
        "images",
    ),
    "ResNet": ("ResNetForImageClassification", "ResNetConfig", {**IMAGES, "layer_type": "basic"}, "images"),
    "wav2vec 2": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", SPEECH, "speech"),
}
GIB = 2**30


def inputs(kind: str) -> dict[str, torch.Tensor]:
    """Return what a model is called with."""
    if kind == "text":
        tokens = torch.randint(0, 30, (2, 5))
        return {"input_ids": tokens, "labels": tokens}
    pairs = {
        "sentences": ("input_ids", torch.randint(0, 30, (2, 5))),
        "patches": ("pixel_values", torch.randn(2, 3, 8, 8)),
        "images": ("pixel_values", torch.randn(2, 3, 32, 32)),
        "speech": ("input_values", torch.randn(2, 200)),
    }
    name, values = pairs[kind]
    return {name: values, "labels": torch.tensor([0, 1])}


def built(name: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return a model with random weights, and its inputs."""
    model, config, options, kind = MODELS[name]
    torch.manual_seed(0)
    return getattr(tf, model)(getattr(tf, config)(**options)).eval(), inputs(kind)


def verified(name: str) -> None:
    """Check one architecture, and print what came of it."""
    model, given = built(name)
    started = time.perf_counter()
    report = gradcli.check(model, given, witnesses="symbolic", timeout=300)
    seconds = time.perf_counter() - started
    wanted = {parameter for parameter, value in model.named_parameters() if value.requires_grad}
    judged = {tensor.name for tensor in report.tensors if tensor.verdict is not None}
    others = [f"{t.name}: {t.verdict}" for t in report.tensors if t.verdict not in {"match", None}][:3]
    absent = f", absent: {sorted(wanted - judged)[:3]}" if wanted - judged else ""
    sys.stdout.write(
        f"{name:12} {report.verdict:12} {len(wanted)} parameters, {len(report.tensors)} tensors, "
        f"{seconds:.1f} s{absent} {'; '.join(others)}\n"
    )


def best(run: Callable[[], object], times: int = 3) -> float:
    """Return the least time that a call took."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def bert_base() -> None:
    """Check BERT base in double precision, as it stands there, and print time and memory."""
    model = tf.BertForMaskedLM(tf.BertConfig()).eval().double()
    tokens = torch.randint(0, model.config.vocab_size, (1, 64))

    def plain() -> None:
        model.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()

    def checked() -> None:
        report = gradcli.check(model, {"input_ids": tokens, "labels": tokens}, witnesses="symbolic", timeout=300)
        sys.stdout.write(f"BERT base {report.verdict}, {len(report.tensors)} tensors\n")

    plain()
    held = 2 * sum(parameter.numel() * 8 for parameter in model.parameters())
    checked()
    pairs = [(best(plain, 2), best(checked, 1)) for _ in range(5)]
    ratio = statistics.median(long / short for short, long in pairs)
    seconds = statistics.median(short for short, _ in pairs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(
        f"BERT base: {ratio:.1f} times one forward and backward ({seconds:.2f} s); PyTorch's own included, "
        f"{(peak - held) / GIB:.1f} GiB above the model and its gradients ({held / GIB:.1f} GiB)\n"
    )


def main() -> None:
    """Check the architectures that are named, or all and BERT base."""
    warnings.simplefilter("ignore")
    tf.logging.set_verbosity_error()
    for name in sys.argv[1:] or MODELS:
        verified(name)
    if len(sys.argv) == 1:
        bert_base()


if __name__ == "__main__":
    main()
