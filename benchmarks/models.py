"""Whole models of the `transformers` package: are all gradients verified, and what does it cost?

    pip install transformers
    python benchmarks/models.py [NAME ...]     of BERT-base alone, too

Tiny random configurations of thirteen architectures, a line each: the verdict, the parameters (all of them have a
verdict of their own), the tensors, the time. Last BERT base at 64 tokens, its 110 million gradient entries compared one
by one: the time beside that of one forward and backward, each the median of five once warm and in a process of its own,
and the memory above the model and its gradients.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
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


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes once warm: the median of five, after two."""
    found = []
    for _ in range(7):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return statistics.median(found[2:])


def bert_alone(*, checked: bool) -> None:
    """Run or check BERT base in double precision, and print the time and, of a check, the memory."""
    model = tf.BertForMaskedLM(tf.BertConfig()).eval().double()
    tokens = torch.randint(0, model.config.vocab_size, (1, 64))

    def plain() -> None:
        model.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()

    def check() -> None:
        report = gradcli.check(model, {"input_ids": tokens, "labels": tokens}, witnesses="symbolic", timeout=300)
        if report.verdict != "match":
            sys.exit(str(report.verdict))

    plain()
    held = 2 * sum(parameter.numel() * 8 for parameter in model.parameters())
    taken = seconds(check if checked else plain)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(f"{taken} {(peak - held) / GIB}\n")


def bert_base() -> None:
    """Print what a check of BERT base takes beside a forward and backward, each warm in a process of its own."""
    pairs = [[alone("--plain"), alone("--checked")] for _ in range(3)]
    ratio = statistics.median(long / short for (short, _), (long, _) in pairs)
    plain, check = (statistics.median(taken for taken, _ in column) for column in zip(*pairs, strict=True))
    sys.stdout.write(
        f"BERT base: match in {check:.1f} s, {ratio:.1f} times one forward and backward ({plain:.2f} s); "
        f"{max(more for _, (_, more) in pairs):.1f} GiB above the model and its gradients, PyTorch's own included\n"
    )


def alone(mode: str) -> tuple[float, float]:
    """Return the seconds and the memory of a run of BERT base in a process of its own."""
    done = subprocess.run([sys.executable, __file__, mode], check=True, capture_output=True, text=True)
    taken, more = map(float, done.stdout.split())
    return taken, more


def main() -> None:
    """Check the architectures that are named, or all and BERT base."""
    warnings.simplefilter("ignore")
    tf.logging.set_verbosity_error()
    if set(sys.argv[1:]) & {"--plain", "--checked"}:
        bert_alone(checked="--checked" in sys.argv)
        return
    names = [name for name in sys.argv[1:] if name != "BERT-base"]
    for name in names or ([] if sys.argv[1:] else MODELS):
        verified(name)
    if "BERT-base" in sys.argv or len(sys.argv) == 1:
        bert_base()


if __name__ == "__main__":
    main()
