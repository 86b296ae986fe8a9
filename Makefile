# Two commands matter: `make demo` shows the main job, `make test` proves it. Both set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OPENCODE_VERSION := 1.18.33
OPENCODE := build/opencode/node_modules/.package-lock.json
KERNELS := $(wildcard remote_code/_fast/*.pyx remote_code/_fast/*.pxi)

.PHONY: demo test check bench torture proof sanitize setup system-packages opencode clean

demo: setup opencode  ## Real OpenCode works on a machine that it can only SSH to.
	$(BIN)/python -m demo

test: setup system-packages opencode  ## All tests, with the compiled kernels and with their Python twins.
	REMOTE_CODE_REQUIRE_EXTENSIONS=1 sh tests/support/run_suite.sh $(BIN)/pytest
	REMOTE_CODE_NO_EXTENSIONS=1 $(BIN)/pytest tests/unit/text tests/twin

check: setup  ## Format, lint, types, layers, generated files.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck launchers/*.sh remote_code/*/scripts/*.sh

bench: setup system-packages  ## Round trips and times; figures in docs/performance.md come from here.
	$(BIN)/python -m benchmarks.round_trips
	$(BIN)/python -m benchmarks.bursts
	$(BIN)/python -m benchmarks.bulk
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.file_costs
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.text_report
	$(BIN)/pytest benchmarks --benchmark-columns=min,median,rounds --benchmark-sort=name --timeout=1200

torture: setup system-packages opencode  ## The long runs: every cut point, every race, 100,000 generated inputs.
	sh tests/support/torture.sh $(BIN)/pytest --timeout=2400

proof: setup system-packages  ## That no work is lost: cuts, kills, races and made-up paths of `make torture`, with their figures.
	REMOTE_CODE_TORTURE=1 $(BIN)/pytest --timeout=2400 tests/remote/test_cuts.py tests/remote/test_sftp.py \
		tests/remote/test_races.py tests/remote/test_roots.py tests/mirror/test_races.py tests/mirror/test_kills.py

sanitize: setup  ## The compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer.
	sh tests/support/sanitize.sh $(BIN)/python

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml setup.py $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --group dev
	REMOTE_CODE_REQUIRE_EXTENSIONS=1 $(BIN)/pip install --quiet --no-build-isolation --editable .
	touch $@

system-packages:
	sh tests/support/system_packages.sh

opencode: $(OPENCODE)

$(OPENCODE):
	@if command -v npm >/dev/null 2>&1; then \
		npm install --silent --no-fund --no-audit --prefix build/opencode opencode-ai@$(OPENCODE_VERSION); \
	else \
		echo "npm is missing: OpenCode itself is left out (install Node.js to have it)"; \
	fi

clean:
	rm -rf $(VENV) build dist *.egg-info
