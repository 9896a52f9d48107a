# Two commands: `make run` opens the dashboard, `make test` checks everything. Both set up what they need.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: run test browser checked tested pictures benchmarks cuda science clean

$(VENV)/runtime: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	touch $@

# What is imported is compiled then; the tests import a part of what they install.
$(VENV)/development: requirements-dev.txt requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile -r requirements-dev.txt
	touch $(VENV)/runtime $@

# The kernels are compiled once, and kept on the disk; a dashboard compiles them itself, beside its first visitor.
$(VENV)/warm: $(wildcard gru_viz/backends/compiled/*.py) | $(VENV)/runtime
	$(BIN)/python -m gru_viz.backends.compiled.compile_kernels
	touch $@

browser:
	sh scripts/install_browser.sh

run: $(VENV)/runtime
	$(BIN)/streamlit run dashboard.py

# Two things at a time: what is installed; then the checks beside the tests. Hundreds of processes import the same
# packages: what one of them compiles of Python is there for the next, within .venv.
test: export PYTHONDONTWRITEBYTECODE =
test: export PYTHONPYCACHEPREFIX = $(abspath $(VENV))/bytecode
test:
	$(MAKE) --jobs 2 browser $(VENV)/development
	$(MAKE) --jobs 2 tested checked

checked: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

tested: $(VENV)/development $(VENV)/warm
	$(BIN)/pytest -n 2

pictures: $(VENV)/development browser
	$(BIN)/python scripts/pictures.py

benchmarks: $(VENV)/development browser
	$(BIN)/python -m benchmarks.inspector
	$(BIN)/python -m benchmarks.zoom
	$(BIN)/python -m benchmarks.trace
	$(BIN)/python -m benchmarks.stream
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.many
	$(BIN)/python -m benchmarks.million
	$(BIN)/python -m benchmarks.alive
	$(BIN)/python -m benchmarks.watch
	$(BIN)/python -m benchmarks.training_kernel
	$(BIN)/python -m benchmarks.training_live

cuda: $(VENV)/development
	$(BIN)/pytest tests/test_cuda.py tests/watching/test_cuda.py
	$(BIN)/python -m benchmarks.cuda

science: $(VENV)/development
	$(BIN)/python -m benchmarks.science

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
