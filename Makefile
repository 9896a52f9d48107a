# Two commands: `make run` opens the dashboard, `make test` checks everything. Both set up what they need.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: run test pictures benchmarks cuda science clean

$(VENV)/runtime: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/python -c "from gru_viz import CONVENTIONS, kernels; kernels.warm(map(CONVENTIONS.get, ('torch', 'onnx', 'torch_lstm', 'torch_rnn')))"
	touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

run: $(VENV)/runtime
	$(BIN)/streamlit run dashboard.py

test: $(VENV)/development
	sh scripts/install_browser.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

pictures: $(VENV)/development
	sh scripts/install_browser.sh
	$(BIN)/python scripts/pictures.py

benchmarks: $(VENV)/development
	sh scripts/install_browser.sh
	$(BIN)/python -m benchmarks.inspector
	$(BIN)/python -m benchmarks.zoom
	$(BIN)/python -m benchmarks.trace
	$(BIN)/python -m benchmarks.stream
	$(BIN)/python -m benchmarks.scale
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
