# make demo   the main job on the sample data
# make test   the tests (main lane: Python 3.9 to 3.11, TensorFlow 2.15)
# make env    the environment in .venv that both use
# make test-legacy   the tests under Python 3.7 and TensorFlow 1.15, where 3.7 is found

is = $$p -c 'import sys, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] not in "$(1)".split())'
first = $(shell for p in $(2); do $(call is,$(1)) 2>/dev/null && echo $$p && break; done)
pyenv = $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(1)*/bin/python)

PYTHON ?= $(call first,3.9 3.10 3.11,python3.11 python3.10 python3.9 python3 python \
    $(call pyenv,3.11) $(call pyenv,3.10) $(call pyenv,3.9))
LEGACY_PYTHON ?= $(call first,3.7,python3.7 $(call pyenv,3.7))
UV := $(shell command -v uv)

RUN = .venv/bin/python
DEMO = runs/demo

.PHONY: env demo test test-legacy lint clean

env: .venv/installed

.venv/installed: setup.py constraints.txt
ifneq ($(PYTHON),)
	$(PYTHON) -m venv .venv
else ifneq ($(UV),)
	$(UV) venv --seed --python 3.11 .venv
else
	@echo "No Python 3.9, 3.10 or 3.11 was found. Install one (or uv), or name it:" >&2
	@echo "  make $(or $(MAKECMDGOALS),env) PYTHON=/path/to/python3.11" >&2
	@exit 1
endif
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[dev,mecab]'
	touch $@

demo: env
	$(RUN) run_classifier.py --task_name=NSMC --data_dir=samples/sentiment \
	    --bert_config_file=configs/demo/bert_config.json \
	    --vocab_file=samples/vocab.txt --output_dir=$(DEMO) --overwrite \
	    --do_train=true --do_eval=true --do_predict=true --max_seq_length=64 \
	    --train_batch_size=16 --learning_rate=5e-4 --num_train_epochs=10 \
	    --eval_every_steps=50
	@echo; cat $(DEMO)/eval_results.txt
	@echo "Result files:"; ls $(DEMO)/*_results.* $(DEMO)/*.png

test: env
	$(RUN) -m pytest -n 2

lint: env
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

.venv-legacy/installed: setup.py constraints-legacy.txt
	$(LEGACY_PYTHON) -m venv .venv-legacy
	.venv-legacy/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints-legacy.txt -e '.[dev,mecab]'
	touch $@

ifneq ($(LEGACY_PYTHON),)
test-legacy: .venv-legacy/installed
	# SentencePiece's trainer and TensorFlow 1.15 crash in one process.
	.venv-legacy/bin/python -m pytest tests/test_train_vocab.py
	.venv-legacy/bin/python -m pytest -n 2 --ignore=tests/test_train_vocab.py
else
test-legacy:
	@echo "No Python 3.7 was found: the legacy lane is left out." >&2
	@echo "Name one with make test-legacy LEGACY_PYTHON=/path/to/python3.7" >&2
endif

clean:
	rm -rf .venv .venv-legacy *.egg-info .pytest_cache .ruff_cache
