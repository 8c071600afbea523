# make demo and make test set everything up by themselves; make help lists the rest.

PYTHON ?= python3.11
PROFILE ?= $(if $(CONFIG),,profiles/demo)
VENV := .venv/.installed
# The rules' programs run by the first python on PATH.
ACTIVATE := PATH="$(CURDIR)/.venv/bin:$$PATH"
SNAKEMAKE := $(ACTIVATE) snakemake
DEMO := results/demo
RESULTS ?= $(DEMO)
BENCHMARKS := bench-data bench-training bench-prediction bench-ensemble

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-slurm test-browser lint format plan curves $(BENCHMARKS) clean

help:  ## this list
	@sed -n 's/^$$(BENCHMARKS)/bench-{data,training,prediction,ensemble}/; s/^\([a-z,{}-]*\):.*  ## /\1: /p' $(MAKEFILE_LIST) | column -t -s:

$(VENV): requirements.txt
	@$(PYTHON) -c 'import sys, ensurepip; assert sys.version_info[:2] == (3, 11)' 2>/dev/null || { \
	  echo "error: $(PYTHON): Shelfmark needs Python 3.11 with venv (MXNet 1.9.1 runs on no newer one);" \
	       "on Debian: apt-get install python3.11-venv, or name another one: make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

demo: $(VENV)  ## the whole workflow on a drawn catalog, in minutes
	@$(SNAKEMAKE) --profile profiles/demo

test: $(VENV)  ## the tests, under 5 minutes
	$(ACTIVATE) pytest

test-slow: $(VENV)  ## full-size networks and long fuzzing
	$(ACTIVATE) pytest -m slow

test-slurm: $(VENV)  ## the workflow on a SLURM that the tests start; needs root and the packages slurm-wlm and munge
	$(ACTIVATE) pytest -m slurm -rs --durations=0 tests/slurm

test-browser: demo  ## the demo's report in a browser; needs chromium
	$(ACTIVATE) pytest -m browser -rs tests/test_report_browser.py

lint: $(VENV)  ## style of scripts and rules
	$(ACTIVATE) ruff check .
	$(ACTIVATE) ruff format --check .
	$(ACTIVATE) snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint --profile profiles/demo

format: $(VENV)  ## put scripts and rules into that style
	$(ACTIVATE) ruff format .
	$(ACTIVATE) ruff check --fix .
	$(ACTIVATE) snakefmt Snakefile rules

plan: $(VENV)  ## the DAG as boxes, with costs, of the demo or of CONFIG="catalog=..."; PROFILE=..., GPUS=16
	@$(ACTIVATE) python scripts/plan_workflow.py $(if $(GPUS),--gpus $(GPUS)) -- $(if $(PROFILE),--profile $(PROFILE)) $(if $(CONFIG),--config $(CONFIG))

curves: $(VENV)  ## learning curves of a run that goes on, in a page that reloads itself, of the demo or of RESULTS=...
	@$(ACTIVATE) python scripts/show_curves.py --models $(RESULTS)/models --page $(RESULTS)/curves.html \
	  --table $(RESULTS)/curves.tsv --every 20

$(BENCHMARKS): bench-%: $(VENV)  ## speed beside named baselines; wants a quiet machine
	$(ACTIVATE) python benchmarks/bench_$*.py

clean:  ## the demo's results
	rm -rf $(DEMO)
