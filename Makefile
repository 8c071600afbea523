# make demo and make test set everything up by themselves; make help lists the rest.

# The newest that runs: a name that is found may stand for a version that is not there. The last one is checked, too.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,\
  $(shell $(name) -c 'print("$(name)")' 2>/dev/null)))
PROFILE ?= $(if $(CONFIG)$(CONFIGS),,profiles/demo)
VENV := .venv/.installed
GPU := .venv/gpu/.installed
# torch: the demo by the other engine.
ENGINE ?=
# cpu: PyTorch without CUDA, for machines without a GPU; pip needs to be told where it is.
BUILD ?=
TORCH := .venv/.torch-$(BUILD)-installed
# Without what the packages ask for: the pins are complete, and MXNet asks for numpy<2.
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
# The rules' programs run by the first python on PATH.
ACTIVATE := PATH="$(CURDIR)/.venv/bin:$$PATH"
SNAKEMAKE := $(ACTIVATE) snakemake
DEMO := results/demo
RESULTS ?= $(DEMO)
GIVEN = $(CONFIGS) $(if $(PROFILE),--profile $(PROFILE)) $(if $(CONFIG),--config $(CONFIG))
BENCHMARKS := bench-data bench-training bench-engine bench-prediction bench-ensemble bench-planning

.DEFAULT_GOAL := help
.PHONY: help gpu torch timm demo test test-slow test-slurm test-browser test-gpu test-torch test-fresh lint format plan curves compare prune export $(BENCHMARKS) clean

help:  ## this list
	@sed -n 's/^$$(BENCHMARKS)/bench-{data,training,engine,prediction,ensemble,planning}/; s/^\([a-z,{}-]*\):.*  ## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{ printf "%-43s %s\n", $$1, $$2 }'

$(VENV): requirements.txt
	@test -n "$(PYTHON)" || { \
	  echo "error: missing here: Python; on Debian: apt-get install python3-venv libgomp1 libquadmath0" >&2; exit 2; }
	@$(PYTHON) scripts/check_system.py
	$(PYTHON) -m venv --clear .venv
	$(PIP) -r requirements.txt
	@touch $@

gpu: $(GPU)  ## MXNet for GPUs with its CUDA 11 beside the one for CPUs: 3.5 GB
	@$(ACTIVATE) python scripts/gpus.py

$(GPU): requirements-gpu.txt $(VENV)
	rm -rf .venv/gpu
	$(PIP) --target .venv/gpu -r requirements-gpu.txt
	@touch $@

torch: $(TORCH)  ## PyTorch, the other engine, with its CUDA 13: 3 GB; BUILD=cpu without

$(TORCH): requirements-torch$(if $(BUILD),-$(BUILD)).txt $(VENV)
	$(PIP) -r $<
	@touch $@

timm: $(TORCH)  ## networks of timm for the engine torch, of which it has hundreds: 3 MB; BUILD=cpu as for torch
	$(PIP) -r requirements-timm.txt

demo: $(VENV) $(if $(filter torch,$(ENGINE)),$(TORCH))  ## the whole workflow on a drawn catalog, in minutes; ENGINE=torch
	@$(SNAKEMAKE) --profile profiles/demo $(if $(ENGINE),--config engine=$(ENGINE))

# In two processes, a file of tests as a whole in one of them, as they share what is costly to make.
PYTEST := pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)  ## the tests, about 5 minutes; of TESTS="tests/..."
	$(ACTIVATE) $(PYTEST) $(TESTS)

test-slow: $(VENV)  ## full-size networks and long fuzzing
	$(ACTIVATE) $(PYTEST) -m slow --timeout 1800

test-slurm: $(VENV)  ## the workflow on a SLURM that the tests start; needs root and the packages slurm-wlm and munge
	$(ACTIVATE) pytest -m slurm -rs --durations=0 tests/slurm

test-browser: demo  ## the demo's report and a page for review in a browser; needs chromium
	$(ACTIVATE) pytest -m browser -rs tests/test_report_browser.py tests/test_write_review.py

test-gpu: $(GPU)  ## that MXNet for GPUs finds all its libraries; needs no GPU
	$(ACTIVATE) pytest -m gpu -rs tests/engines/mxnet/test_gpu_packages.py

test-torch: timm  ## PyTorch against MXNet and timm on the CPU
	$(ACTIVATE) pytest -rs tests/engines/torch/test_torch_*.py tests/public_weights/test_timm.py tests/test_describe_network.py
	$(ACTIVATE) pytest -rs -m slow tests/runs/test_students.py

SUITES ?= trixie bookworm
test-fresh: demo  ## demo and test in fresh root folders of Debian 13 and 12; needs root and debootstrap
	for suite in $(SUITES); do tests/fresh/debian.sh $$suite || exit 1; done

lint: $(VENV)  ## style of scripts and rules
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint
	$(SNAKEMAKE) --lint --profile profiles/demo

format: $(VENV)  ## put scripts and rules into that style
	$(ACTIVATE) ruff format .
	$(ACTIVATE) ruff check --fix .
	$(ACTIVATE) snakefmt Snakefile rules

plan: $(VENV)  ## the DAG as boxes, with costs, of the demo or of CONFIG="catalog=..."; CONFIGS=mine.yaml, PROFILE=..., GPUS=16
	@$(ACTIVATE) python scripts/plan_workflow.py $(if $(GPUS),--gpus $(GPUS)) -- $(if $(PROFILE),--profile $(PROFILE)) $(if $(CONFIGS),--configfile $(CONFIGS)) $(if $(CONFIG),--config $(CONFIG))

curves: $(VENV)  ## learning curves of a run that goes on, in a page that reloads itself, of the demo or of RESULTS=...
	@$(ACTIVATE) python scripts/show_curves.py --models $(RESULTS)/models --page $(RESULTS)/curves.html \
	  --table $(RESULTS)/curves.tsv --every 20

compare: $(VENV)  ## what two settings reach and cost, of CONFIGS="a.yaml b.yaml"; PROFILE=..., CONFIG="results=..."
	@$(ACTIVATE) python scripts/compare_runs.py $(GIVEN)

prune: $(VENV)  ## what no configuration leads to any more, of the demo or of CONFIGS="a.yaml b.yaml"; INTERMEDIATE=1: also splits, records, features and probabilities that are done with; DELETE=1 deletes it
	@$(ACTIVATE) python scripts/prune_results.py $(GIVEN) $(if $(filter 1,$(INTERMEDIATE)),--intermediate) $(if $(filter 1,$(DELETE)),--delete)

export: $(VENV)  ## a folder OUTPUT=... that answers batches without training data, of CONFIGS=mine.yaml; PROFILE=..., CONFIG="results=..."
	@$(ACTIVATE) python scripts/export_models.py $(GIVEN) --output $(OUTPUT)

bench-engine: $(TORCH)

$(BENCHMARKS): bench-%: $(VENV)  ## speed beside named baselines; wants a quiet machine
	$(ACTIVATE) python benchmarks/bench_$*.py

clean:  ## the demo's results
	rm -rf $(DEMO)
