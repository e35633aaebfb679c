venv := ".venv/bin/"

# List the recipes.
default:
    @just --list

# Create the environment and install gradcli in it, editable, with the tools.
setup:
    python3 -m venv .venv
    {{venv}}pip install -c constraints.txt -e ".[dev]"

# Style and likely mistakes.
lint:
    {{venv}}ruff check
    {{venv}}ruff format --check

# Fix what the formatter and the linter can fix.
format:
    {{venv}}ruff format
    {{venv}}ruff check --fix

# Types.
types:
    {{venv}}mypy --strict gradcli

# Which module may import which.
imports:
    {{venv}}lint-imports

# The tests; `just test tests/docs` runs some of them.
test *paths:
    {{venv}}pytest -n auto {{paths}}

# Regenerate every output in README.md and docs.
docs:
    {{venv}}gradcli ops --format markdown -o docs/ops/
    {{venv}}python tests/docs/documented.py

# All that continuous integration checks: style, types, imports and tests.
check: lint types imports test

# Time and memory.
benchmarks:
    {{venv}}python benchmarks/startup.py --command {{venv}}gradcli
    {{venv}}python benchmarks/attention.py --command {{venv}}gradcli
    {{venv}}python benchmarks/chain.py --command {{venv}}gradcli
    {{venv}}python benchmarks/warm.py
    {{venv}}python benchmarks/throughput.py
    {{venv}}python benchmarks/detection.py
    {{venv}}python benchmarks/linalg.py
    {{venv}}python benchmarks/planted_models.py

# Many checks under interruptions, time limits and deaths of the sympy process.
soak:
    {{venv}}python benchmarks/soak.py

# Random programs, commands and texts for half an hour, then the reader of programs alone, by atheris if it is installed.
fuzz:
    {{venv}}pytest tests/fuzz --hypothesis-profile=fuzz
    {{venv}}python tests/fuzz/target.py
