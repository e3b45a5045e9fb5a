# make demo   the main job on the sample data, for each of the three models
# make recipe NAME=kr_electra SCALE=smoke CORPUS=folder   the chain of configs/<NAME>/
# make benchmark MODEL_DIR=models MODEL_TYPE=electra   every benchmark, one report
# make test   the tests (main lane: Python 3.9 to 3.11, TensorFlow 2.15)
# make test-fast   those of about two seconds or less
# make test-hf   conversions against Hugging Face and ONNX, in .venv-hf (gigabytes)
# make test-scale   several processes by Horovod, in .venv-scale (built once, 8 minutes)
# make test-beam   data on Apache Beam, in .venv-beam
# make test-faults   kills, failing disks and generated input, half an hour
# make test-web   the pages in a browser: Debian's chromium, which has to be installed
# make docs   the pages of docs/ as a site, in build/site
# make env    the environment in .venv that both use
# make test-legacy   the tests under Python 3.7 and TensorFlow 1.15, where 3.7 is found

is = $$p -c 'import sys, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] not in "$(1)".split())'
first = $(shell for p in $(2); do $(call is,$(1)) 2>/dev/null && echo $$p && break; done)
pyenv = $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(1)*/bin/python)

PYTHON ?= $(call first,3.9 3.10 3.11,python3.11 python3.10 python3.9 python3 python \
    $(call pyenv,3.11) $(call pyenv,3.10) $(call pyenv,3.9))
LEGACY_PYTHON ?= $(call first,3.7,python3.7 $(call pyenv,3.7))
UV := $(shell command -v uv)

# How an environment is made: by a Python that fits; else uv fetches one, which the pip
# of any Python brings, into .uv. In a folder of its own, so that make clean removes it.
any = $(shell for p in $(1); do \
    $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 8))' 2>/dev/null \
    && echo $$p && break; done)
uv_venv = UV_PYTHON_INSTALL_DIR='$(CURDIR)/.uv/python' $(1) venv --seed --python 3.11
ifneq ($(PYTHON),)
venv = $(PYTHON) -m venv
else ifneq ($(UV),)
venv = $(call uv_venv,$(UV))
else
ANY_PYTHON := $(call any,python3 python $(call pyenv,3.13) $(call pyenv,3.12))
ifneq ($(ANY_PYTHON),)
venv = $(ANY_PYTHON) -m venv .uv && \
    .uv/bin/python -m pip install --quiet --disable-pip-version-check uv && \
    $(call uv_venv,.uv/bin/uv)
else
venv = false
endif
endif
define no_python
{ echo "No Python 3.9, 3.10 or 3.11 was found, and none could be fetched with uv."; \
  echo "Install one, or name it:"; \
  echo "  make $(or $(MAKECMDGOALS),env) PYTHON=/path/to/python3.11"; exit 1; } >&2
endef

RUN = .venv/bin/python
DEMO = runs/demo

# Of make recipe; SCALE=full takes the settings of configs/<NAME>/ as they are, and needs
# CORPUS and DATA; smoke takes the samples without them.
NAME = dialog_koelectra_small
SCALE = smoke
CORPUS =
TASK = NSMC
DATA =
OUT = runs/recipes/$(SCALE)

# Of make benchmark; SETTINGS is a JSON file of flags for each task.
MODEL_DIR = models
MODEL_TYPE = bert
TASKS = NSMC,HATE,PAWS,KorNLI,QuestionPair,KorSTS,NaverNER,KorQuAD
SEEDS = 12345
SETTINGS =

.PHONY: env demo recipe benchmark test test-fast test-legacy test-hf test-scale test-beam \
    test-faults test-web lint docs clean

env: .venv/installed

.venv/installed: setup.py constraints.txt
	$(venv) .venv$(if $(PYTHON),, || $(no_python))
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[dev,mecab]'
	touch $@

demo: env
	$(RUN) run_recipe.py --name=kr_bert_medium,kore_albert_base,kr_electra \
	    --output_dir=$(DEMO) --parallel --overwrite

recipe: env
	$(RUN) run_recipe.py --name='$(NAME)' --scale='$(SCALE)' --task_name='$(TASK)' \
	    $(if $(CORPUS),--corpus='$(CORPUS)') $(if $(DATA),--data_dir='$(DATA)') \
	    --output_dir='$(OUT)'

benchmark: env
	$(RUN) run_benchmark.py --model_dir='$(MODEL_DIR)' --model_type='$(MODEL_TYPE)' \
	    --tasks='$(TASKS)' --seeds='$(SEEDS)' --task_settings='$(SETTINGS)' \
	    --output_dir='runs/benchmark/$(notdir $(patsubst %/,%,$(MODEL_DIR)))'

# The tests start a hundred processes: modules are compiled once for all of them.
test test-fast: export PYTHONDONTWRITEBYTECODE =

test: env
	$(RUN) -m pytest -n 2 --dist worksteal

test-fast: env
	$(RUN) -m pytest -n 2 --dist worksteal -m 'not slow'

# PyTorch for the CPU alone is far smaller, where its own index can be reached:
# make test-hf HF_PIP='--extra-index-url https://download.pytorch.org/whl/cpu'
.venv-hf/installed: setup.py constraints.txt
	$(venv) .venv-hf$(if $(PYTHON),, || $(no_python))
	.venv-hf/bin/python -m pip install --quiet --disable-pip-version-check \
	    $(HF_PIP) -c constraints.txt -e '.[dev,hf,onnx]'
	touch $@

test-hf: .venv-hf/installed
	.venv-hf/bin/python -m pytest tests/hub tests/benchmark/test_loss_curves.py
	.venv-hf/bin/python -m pytest tests/inference/test_export_savedmodel.py -k onnx

# Horovod is compiled for the TensorFlow that is there; CMake and a C++ compiler do it.
.venv-scale/installed: setup.py constraints.txt
	$(venv) .venv-scale$(if $(PYTHON),, || $(no_python))
	.venv-scale/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[dev]' setuptools wheel
	HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_MPI=1 \
	    HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 .venv-scale/bin/python -m pip \
	    install --quiet --disable-pip-version-check -c constraints.txt \
	    --no-build-isolation horovod==0.28.1
	touch $@

test-scale: .venv-scale/installed
	.venv-scale/bin/python -m pytest tests/replicas/test_processes.py

# Pins of constraints-beam.txt stand in place of those of constraints.txt.
.venv-beam/installed: setup.py constraints.txt constraints-beam.txt
	$(venv) .venv-beam$(if $(PYTHON),, || $(no_python))
	awk -F== 'NR == FNR { pinned[$$1]; print; next } !($$1 in pinned)' \
	    constraints-beam.txt constraints.txt > .venv-beam/constraints.txt
	.venv-beam/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c .venv-beam/constraints.txt -e '.[dev,mecab,beam]'
	touch $@

test-beam: .venv-beam/installed
	.venv-beam/bin/python -m pytest tests/beam

# The files are named, since make test leaves them out. FAULT_SEED repeats a run.
test-faults: env
	$(RUN) -m pytest tests/reliability/faults_*.py

.venv/web-installed: .venv/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[web]'
	touch $@

test-web: .venv/web-installed
	@command -v chromium || command -v chromium-browser || { exec >&2; \
	    echo "There is no chromium on the PATH. On Debian: apt-get install -y chromium"; \
	    exit 1; }
	$(RUN) -m pytest tests/web

lint: env
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

.venv/docs-installed: .venv/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[docs]'
	touch $@

docs: .venv/docs-installed
	NO_MKDOCS_2_WARNING=true $(RUN) -m mkdocs build --strict --quiet
	@echo 'The site is in build/site: open build/site/index.html.'

.venv-legacy/installed: setup.py constraints-legacy.txt
	$(LEGACY_PYTHON) -m venv .venv-legacy
	.venv-legacy/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints-legacy.txt -e '.[dev,mecab]'
	touch $@

TRAIN_VOCAB = tests/vocabulary/test_train_vocab.py
ifneq ($(LEGACY_PYTHON),)
test-legacy: .venv-legacy/installed
	# SentencePiece's trainer and TensorFlow 1.15 crash in one process.
	.venv-legacy/bin/python -m pytest $(TRAIN_VOCAB)
	.venv-legacy/bin/python -m pytest -n 2 --dist worksteal --ignore=$(TRAIN_VOCAB)
else
test-legacy:
	@echo "No Python 3.7 was found: the legacy lane is left out." >&2
	@echo "Name one with make test-legacy LEGACY_PYTHON=/path/to/python3.7" >&2
endif

clean:
	rm -rf .venv .venv-legacy .venv-hf .venv-scale .venv-beam .uv build *.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache
