"""Time and memory of `gradcli eval` on single-head attention with 1024 x 64 inputs.

python benchmarks/attention.py --command .venv/bin/gradcli
"""

from measure import main

PROGRAM = "softmax(Q @ K.T / 8, dim=-1) @ V"
ARGUMENTS = ["--shape", "1024x64", "--init", "randn", "--reduce", "mean"]

if __name__ == "__main__":
    main("attention 1024x64", ARGUMENTS, PROGRAM, __doc__)
