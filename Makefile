# The commands: make run (the main study), make run-anomaly (a search for anomalies), make run-showers (calorimeter showers) and
# make test (all checks). PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
FIRE := benchmarks/robustness
STATE ?= build/robustness
JOBS ?= $(if $(filter 1,$(shell getconf _NPROCESSORS_ONLN)),1,2)
ISA_TESTS := $(addprefix tests/test_,native.py wide.py quantum.py gates.py unitaries.py kernel_tables.py torch_func.py \
  drift.py backends.py pennylane_device.py pennylane_borders.py pennylane_properties.py qinn.py models.py controls.py \
  classical_models.py freezing.py training.py diagnostics.py)
export OMP_NUM_THREADS = 1
export OMP_WAIT_POLICY = PASSIVE

.PHONY: run run-anomaly run-showers docs notebooks test test-slow test-isa same-numbers device-test toys sample engine-table \
  gpu-check scaling licence validate robustness robustness-large diagnose clean

run: .venv/installed
	$(BIN)/qinn-bench run benchmarks/studies/quick.toml -j $(JOBS)
	$(BIN)/qinn-bench figure benchmarks/studies/quick.toml --observable m_ll

run-anomaly: .venv/installed
	$(BIN)/qinn-bench run benchmarks/studies/anomaly_quick.toml -j $(JOBS)
	$(BIN)/qinn-bench roc benchmarks/studies/anomaly_quick.toml
	$(BIN)/qinn-bench figure benchmarks/studies/anomaly_quick.toml

run-showers: .venv/installed
	$(BIN)/qinn-bench run benchmarks/studies/showers_quick.toml -j $(JOBS)
	$(BIN)/qinn-bench figure benchmarks/studies/showers_quick.toml

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n $(JOBS) -m "not slow" --hypothesis-profile=ci

test-slow: .venv/installed-test
	$(BIN)/pytest -n $(JOBS) -m slow

# The documentation as a site, in site/; every warning is an error.
docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The notebooks, executed from their first cell to their last, in site/notebooks.
notebooks: .venv/installed-notebooks
	mkdir -p site/notebooks
	for path in docs/notebooks/*.py; do \
	  $(BIN)/jupytext --to ipynb --execute --run-path site/notebooks --output site/notebooks/$$(basename $$path .py).ipynb $$path || exit 1; \
	done

# The tests of circuits and models under each instruction set of the kernel that this processor has.
test-isa: .venv/installed-test
	for isa in $$($(BIN)/python -c 'from qinn_bench.quantum.simulators import native; print(*native.instruction_sets())'); do \
	  echo "QINN_ISA=$$isa" && QINN_ISA=$$isa $(BIN)/pytest -n $(JOBS) -m "not slow" $(ISA_TESTS) || exit 1; \
	done

# PennyLane's own device tests, on qinn.native and on default.qubit, and ours with JAX, which make test leaves out.
device-test: .venv/installed-peers
	$(BIN)/pytest tests/test_pennylane_suite.py tests/test_pennylane_borders.py tests/test_pennylane_device.py

toys: .venv/installed
	$(BIN)/qinn-bench run benchmarks/studies/toys.toml -j $(JOBS)

# Whether the edits since BASE leave the numbers of all models alone, bit by bit; prints entries of changes.toml.
same-numbers: .venv/installed-test
	$(BIN)/python benchmarks/same_numbers.py $(BASE) $(if $(KNOBS),--knobs '$(KNOBS)')

# The samples inside the package, generated again into the cache (about ten minutes of two cores).
sample: .venv/installed-test
	$(BIN)/qinn-bench data make zjets --events 80000 --seed 1 --quality fast --cuts lhc -j $(JOBS)
	$(BIN)/qinn-bench data make qg_jets --events 20000 --seed 1 --preset cms --quality full -j $(JOBS)
	$(BIN)/qinn-bench data make top_jets --events 20000 --seed 1 --quality full --particles 20 -j $(JOBS)
	$(BIN)/qinn-bench data make dijet_latents --events 20000 --seed 1 -j $(JOBS)

# The speed table of the engine against PennyLane, JAX and qulacs (about 20 minutes; leave the machine alone meanwhile).
engine-table: .venv/installed-peers
	$(BIN)/python benchmarks/engine_table.py --page docs/engine.md

# Laws and times on an NVIDIA card, beside the CPU (at most six minutes; --device cpu is a dry run without a card).
gpu-check: .venv/installed-peers
	$(BIN)/python benchmarks/gpu --page docs/engine.md --budget-total 340

# How every simulator grows with the number of qubits (about ten minutes).
scaling: .venv/installed-peers
	$(BIN)/qinn-bench scale --backends all --qubits 4:16 --batch 64 --budget 1 \
	  --out results/engine/scaling.json --figure docs/figures/scaling.png

# The statistical methods and the gate against what they promise (an hour and a half); tables in results/validation.
validate: .venv/installed-test
	$(BIN)/python benchmarks/validation

# Campaigns under fire, faults, lost hosts and damaged files, in short counts (about 20 minutes of two cores; as root also disks
# and hosts). What each script does and has found: docs/robustness.md.
robustness: .venv/installed-test
	$(BIN)/python $(FIRE)/planned.py --cells 10000
	$(BIN)/python $(FIRE)/overhead.py
	$(BIN)/python $(FIRE)/throughput.py
	$(BIN)/python $(FIRE)/side_by_side.py --campaigns 8
	$(BIN)/python $(FIRE)/namespaces.py
	$(BIN)/python $(FIRE)/kills.py 20
	$(BIN)/python $(FIRE)/cluster_kills.py 4 1 1
	$(BIN)/python $(FIRE)/faults.py 4
	$(BIN)/python $(FIRE)/damage.py --cases 1000
	$(BIN)/python $(FIRE)/fuzz.py --count 1600
	$(BIN)/python $(FIRE)/many_records.py 10000

# The same in the counts that are to be reached (about five hours of two cores that do nothing else). What takes long goes on where
# it was stopped; tables go to $(STATE).
robustness-large: .venv/installed-test
	mkdir -p $(STATE)
	$(BIN)/python $(FIRE)/throughput.py --seeds 40 --steps 2000 --repeats 3 > $(STATE)/throughput.md
	$(BIN)/python $(FIRE)/planned.py --cells 10000 > $(STATE)/planned.md
	$(BIN)/python $(FIRE)/overhead.py --few 4 --many 40 --repeats 5 > $(STATE)/overhead.md
	$(BIN)/python $(FIRE)/many_records.py 100000 > $(STATE)/many_records.md
	$(BIN)/python $(FIRE)/side_by_side.py --campaigns 8 --rounds 10 > $(STATE)/side_by_side.md
	$(BIN)/python $(FIRE)/namespaces.py --rounds 3 --seeds 12 > $(STATE)/namespaces.md
	$(BIN)/python $(FIRE)/kills.py 200 $(STATE)/kills > $(STATE)/kills.md
	$(BIN)/python $(FIRE)/cluster_kills.py 50 5 5 $(STATE)/cluster_kills > $(STATE)/cluster_kills.md
	$(BIN)/python $(FIRE)/plugins.py > $(STATE)/plugins.md
	$(BIN)/python $(FIRE)/faults.py 40 > $(STATE)/faults.md
	$(BIN)/python $(FIRE)/damage.py --cases 100000 --jobs 2 --state $(STATE)/damage > $(STATE)/damage.md
	$(BIN)/python $(FIRE)/fuzz.py --count 100000 --state $(STATE)/fuzz > $(STATE)/fuzz.md
	cat $(STATE)/*.md

# The smallest deformations of the truth that each metric can see (half an hour of one core; what is there is kept).
licence: .venv/installed
	$(BIN)/qinn-bench licence gmm8 --keep --samples 2000 --metrics sep,chi2,w1,kl,nll --repeats 40
	$(BIN)/qinn-bench licence gmm8 --keep --samples 2000 --metrics c2st,swd --repeats 20 --table results/tables/licence_gmm8.md
	$(BIN)/qinn-bench licence zjets --keep --metrics sep,chi2 --repeats 60
	$(BIN)/qinn-bench licence zjets --keep --metrics w1 --repeats 30
	$(BIN)/qinn-bench licence zjets --keep --samples 2000 --metrics mmd --repeats 12
	$(BIN)/qinn-bench licence zjets --keep --metrics clipped_w1,out --repeats 30
	$(BIN)/qinn-bench licence zjets --keep --metrics c2st,swd,clipped_swd --repeats 12 --table results/tables/licence.md

# What models of about 370 parameters could represent: effective dimension, circuits, Jacobians (minutes on one core).
diagnose: .venv/installed
	$(BIN)/qinn-bench diagnose 'qinn[uploads=7,fidelity=0.0,mmd=0.0]' \
	  'hybrid_qinn[construction=composition,blocks=2,hidden=1,bins=2,uploads=4]' \
	  'hybrid_qinn[construction=conditioner,blocks=1,bins=3,uploads=8]' \
	  'hybrid_qinn[construction=elementwise,bins=4,uploads=4]' \
	  'spline_inn[blocks=5,hidden=1,bins=2]' 'affine_inn[blocks=5,hidden=3]' \
	  --rows 100 --sets 5 --out results/tables/diagnostics.md

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "qinn-bench needs Python 3.11 or newer, found " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt CMakeLists.txt $(wildcard qinn_bench/quantum/_native/*)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,hep,formats]'
	touch $@

.venv/installed-peers: .venv/installed-test
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,hep,formats,peers,bench]'
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/installed-notebooks: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks]'
	touch $@

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
