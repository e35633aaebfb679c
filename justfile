venv := ".venv/bin/"

# List the recipes.
default:
    @just --list

# Make the environment and install gradcli in it, editable, with the tools.
setup:
    python3 -m venv .venv
    {{venv}}pip install -c constraints.txt -e ".[dev]"

# Style and likely mistakes.
lint:
    {{venv}}ruff check
    {{venv}}ruff format --check

# Mend what the formatter and the linter can mend.
format:
    {{venv}}ruff format
    {{venv}}ruff check --fix

# Types.
types:
    {{venv}}mypy --strict gradcli

# Which module may import which.
imports:
    {{venv}}lint-imports

# The tests; `just test tests/test_readme.py` runs some of them.
test *paths:
    {{venv}}pytest -n auto {{paths}}

# Write the outputs in README.md anew.
readme:
    {{venv}}python tests/test_readme.py

# Lint, types, imports and tests.
check: lint types imports test

# Time and memory.
benchmarks:
    {{venv}}python benchmarks/startup.py --command {{venv}}gradcli
    {{venv}}python benchmarks/attention.py --command {{venv}}gradcli
    {{venv}}python benchmarks/chain.py --command {{venv}}gradcli
    {{venv}}python benchmarks/warm.py
    {{venv}}python benchmarks/throughput.py
    {{venv}}python benchmarks/detection.py
