# What people type is what CI runs. Every verb makes .venv first, from pyproject.toml, if it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
PEERS := $(VENV)/.peers
PORT ?= 8321
SEEDS ?= 5
LAB_SEEDS ?= 2
ARGS ?=
# Overrides the pinned torch: make setup TORCH=2.14.1
TORCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test explore check bench bench-gpu lab handbook docs

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

# Another torch than the pinned one is asked for: install again, whatever is there.
ifneq ($(TORCH),)
.PHONY: $(STAMP)
endif

setup: $(STAMP) ## make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "liveoak needs Python 3.11 or later, and $(PYTHON) is older: make setup PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	if [ -n "$(TORCH)" ]; then echo "torch==$(TORCH)" > $(VENV)/constraints.txt; else cp constraints.txt $(VENV)/constraints.txt; fi
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint $(VENV)/constraints.txt
	$(BIN)/python -m compileall -q src
	@touch $@

demo: $(STAMP) ## watch an agent learn, forget its context, and remember (results/demo.json, .html, .png)
	$(BIN)/liveoak demo $(ARGS)

serve: $(STAMP) ## serve the agent of ~/.liveoak on PORT
	$(BIN)/liveoak serve --port $(PORT) $(ARGS)

test: $(STAMP) ## run every test; ends with a count for each lane
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

explore: $(STAMP) ## the tests of properties on examples that no run has met yet
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -p no:cacheprovider \
		--hypothesis-profile=explore $$(grep -rl --include='test_*.py' '@given' tests) $(ARGS)

check: $(STAMP) ## lint, format, types, arrows between packages, docs that are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/docs/test_pages.py tests/cli/test_cli_page.py tests/serving/test_http_page.py

bench: $(PEERS) ## the engine on this processor against its peers (results/bench-engine-cpu.json)
	$(BIN)/liveoak lab run bench-engine-cpu $(ARGS)

bench-gpu: $(PEERS) ## the same on one CUDA device (results/bench-engine-gpu.json)
	$(BIN)/liveoak lab run bench-engine-gpu $(ARGS)

# A peer that cannot be installed (llama.cpp is built from source, which takes minutes) is a row that says so.
$(PEERS): $(STAMP)
	for extra in bench bench-native; do \
		$(BIN)/python -m pip install --quiet --editable ".[$$extra]" --constraint $(VENV)/constraints.txt \
			|| echo "peers of [$$extra] could not be installed: their rows will say so" >&2; \
	done
	@touch $@

lab: $(STAMP) ## the experiments on lives and on the outer loop over LAB_SEEDS seeds (results/lab-*.json and their pages)
	$(BIN)/python -m pip install --quiet --editable ".[bench]" --constraint $(VENV)/constraints.txt \
		|| echo "TRL could not be installed: its arm will say so" >&2
	for name in learns ledger bits prior-or-scratch stages-or-stream drift; do \
		$(BIN)/liveoak lab run $$name --seeds $(LAB_SEEDS) $(ARGS) || exit 1; \
	done

handbook: $(STAMP) ## the handbook experiment over SEEDS seeds, with intervals and curves
	$(BIN)/liveoak lab run handbook --seeds $(SEEDS) $(ARGS)

docs: $(STAMP) ## rewrite the parts of docs/ that are generated
	$(BIN)/python -m liveoak.cli.reference docs/cli.md
	$(BIN)/python -m liveoak.lab.reference docs/lab.md docs/settings.md
