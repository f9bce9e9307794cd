# Everything a person or CI runs has a name here. `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install check test browser-test screenshots build story-picture demo slow-test wheels bench bench-models conformance load soak experiments chaos sabotage kills fuzz-api fuzz sanitize clean
.DEFAULT_GOAL := help

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.12, say." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

install: $(VENV)/installed ## Make .venv and install everything that Python needs.

web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed to build web/." >&2; exit 1; }
	@cd web && npm ci --silent --no-audit --no-fund
	@touch $@

build: install web/node_modules/.package-lock.json ## Build the kernels, fetch the locked browser runtime, bundle the site.
	@$(BIN)/python -m py_edge.kernels.build
	@$(BIN)/py-edge bundle --prepare

story-picture: build ## The README's picture of the story, made anew, in 256 colours.
	@$(BIN)/py-edge demo --headless --once --rounds 6 --pictures .demo/pictures $(ARGS)
	@$(BIN)/python -m pip install --quiet pillow
	@$(BIN)/python -c "from PIL import Image; Image.open('.demo/pictures/round-06.png').convert('RGB').quantize(256, dither=0).save('web/pictures/story.png', optimize=True)"

demo: build ## Play the story: two nodes, the page, the desk.
	@$(BIN)/py-edge demo $(ARGS)

test: build ## All tests: unit, node, browser.
	@$(BIN)/python -m pytest tests playwright -m 'not slow' $(ARGS)

browser-test: build ## The stories in a real Chromium only.
	@$(BIN)/python -m pytest playwright $(ARGS)

screenshots: build ## Every page as pictures, light, dark, phone and at 200 %, into DIR=screenshots.
	@$(BIN)/python playwright/screenshots.py $(or $(DIR),screenshots) $(ARGS)

slow-test: build ## What takes long: four whole stories, kills and bad networks, the kernels in Pyodide.
	@$(BIN)/python -m pytest tests playwright -m slow $(ARGS)

chaos: install ## Kills, power cuts, failing disks, bad networks and simulated histories against an outside checker; CHAOS=long, PART=2/10.
	@PY_EDGE_CHAOS=$(or $(CHAOS),full) PY_EDGE_CHAOS_PART=$(or $(PART),1/1) $(BIN)/python -m pytest tests/chaos -s $(ARGS)

sabotage: install ## Take one mechanism away at a time; a named test must turn red for each.
	@$(BIN)/python -m tests.chaos.sabotage $(ARGS)

kills: build ## Kill worker, tab and renderer in the middle of a fine-tune, and on the way of an answer, 200 times each; KILLS=200.
	@PY_EDGE_KILLS=$(or $(KILLS),200) $(BIN)/python -m pytest playwright/test_learn_durable.py playwright/test_tabs.py -k "many_kills or many_tabs" -s $(ARGS)

fuzz-api: install ## schemathesis over the served OpenAPI: never a 5xx; SECONDS=300.
	@$(BIN)/python -m tests.node.fuzz_api --seconds $(or $(SECONDS),300)

fuzz: install ## Coverage-guided fuzzing of loading: atheris where it is installed, else blind mutation; SECONDS=600.
	@$(BIN)/python -m tests.tfjs.fuzz_load --seconds $(or $(SECONDS),600) --corpus .cache/fuzz

conformance: build ## Every recorded model against Keras, TensorFlow and TF.js, native and in Pyodide under Node.
	@$(BIN)/py-edge conformance $(ARGS)
	@$(BIN)/py-edge conformance --runtime pyodide $(ARGS)

sanitize: install ## The kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer.
	@$(BIN)/python -m tests.kernels.sanitize $(ARGS)

bench-models: install ## Make the benchmark's models with TensorFlow, in an environment of its own.
	@$(BIN)/py-edge bench --make-models $(ARGS)

bench: build ## Speed against TF.js, ONNX Runtime Web and LiteRT.js in one Chromium; makes what it needs.
	@$(BIN)/py-edge bench $(ARGS)

load: install ## The load table of one node against its floors, as JSON; ARGS='storm ready' for some rows.
	@$(BIN)/python -m tests.benchmarks.load_rows $(ARGS)

soak: install ## One node asked without a pause, everything erased again: nothing may grow; SECONDS=180, a day is 86400.
	@$(BIN)/python -m tests.benchmarks.soak --seconds $(or $(SECONDS),180) $(ARGS)

experiments: build ## Forgetting, regional recovery, votes at the desk, times in the chain, each with its controls, into DIR=experiments.
	@mkdir -p $(or $(DIR),experiments)
	@for each in train.experiments.forgetting train.experiments.regional desk.experiments.votes desk.experiments.chain; do \
	  file=$(or $(DIR),experiments)/$${each##*.}; \
	  $(BIN)/python -m tests.$$each --json $$file.json --svg $$file.svg $(ARGS) || exit 1; done

check: install web/node_modules/.package-lock.json ## Format, lint and types.
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@cd web && npm run --silent check

wheels: install web/node_modules/.package-lock.json ## Build the native and the Pyodide wheels into wheels/.
	@$(BIN)/python -m py_edge.bundle.wheels

clean: ## Remove what was built; fetched bytes stay in .cache.
	rm -rf build dist site py_edge/kernels/_build py_edge/_site wheels/*.whl .demo
