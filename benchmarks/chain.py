"""Time and memory of `gradcli eval` on 1,000 chained operations.

python benchmarks/chain.py --command .venv/bin/gradcli
"""

from measure import main

LINES = 250  # of four operations each
PROGRAM = "\n".join(f"x{k + 1} = tanh(x{k}) * 0.9 + x{k} * 0.1" for k in range(LINES))
ARGUMENTS = ["--shape", "8", "--init", "randn", "--reduce", "mean"]

if __name__ == "__main__":
    main("chain of 1000 operations", ARGUMENTS, PROGRAM, __doc__)
