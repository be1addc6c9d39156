# Two commands for a new machine: `make demo` and `make test`. Both need Python 3.11-3.13,
# make and a C compiler (pyradiomics is compiled from its source distribution), nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slurm lint setup lock reference validation clean

demo: setup
	$(BIN)/osteoflow demo .

# Tests start the workflow's programs many times over: what was edited is compiled once for all.
test: setup
	$(BIN)/python -m compileall -q osteoflow
	$(BIN)/python -m pytest -n 2 --dist loadfile tests

# Root and Debian's Slurm (tests/slurm/install_debian.sh): a cluster of one node, about ten minutes.
# Not part of `make test`, which collects tests/slurm only if that folder is named.
test-slurm: setup
	$(BIN)/python -m pytest -n 0 tests/slurm

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --directory tests/fixtures/study
	$(BIN)/snakemake --dry-run --cores 1 --quiet rules reason host --directory tests/fixtures/study

setup: .venv/.installed

# uv installs the hash-locked set an order of magnitude faster than pip; --compile-bytecode
# matters because every Snakemake start would otherwise compile it again where
# PYTHONDONTWRITEBYTECODE is set.
.venv/.installed: requirements.lock installer.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r installer.lock
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat -e .
	$(BIN)/python -m compileall -q osteoflow
	touch $@

# Maintainers: files made from the configuration model.
reference: setup
	$(BIN)/python -m osteoflow.config_files

# Maintainers: docs/validation.md from a finished demo and from tests that keep what they measure;
# OSTEOFLOW_EXTERNAL_DATA must point to the third-party data, and OSTEOFLOW_PEER_PYTHON may name the
# interpreter of the fat-water peer (docs/how-to/benchmarks.md), OSTEOFLOW_IBSI2_MAPS a folder with
# the reference response maps of IBSI-2 (github.com/theibsi/ibsi_2_reference_data).
validation: demo
	rm -f results/measured.jsonl
	$(BIN)/python -m compileall -q osteoflow
	$(BIN)/python -m pytest -n 2 --dist loadfile --measured results/measured.jsonl \
	  tests/reference tests/unit tests/browser
	$(BIN)/python docs/make_validation.py results/measured.jsonl results docs/validation.md
	$(BIN)/python docs/make_demo_figure.py results docs/images/demo.png

# Maintainers: renew the lock and everything derived from it.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --upgrade --output-file requirements.lock
	$(BIN)/python -m osteoflow.environment envs/core.yaml

clean:
	rm -rf .venv results .snakemake demo
