"""Google's original code as a reference, where there is a checkout of it.

UPSTREAM_BERT, UPSTREAM_ALBERT and UPSTREAM_ELECTRA name checkouts of google-research/
bert, albert and electra. What is compared needs no TensorFlow, so that stubs stand for
the modules that those files import.
"""

import importlib.util
import os
import sys

import pytest

_IMPORTED = (
    "tensorflow",
    "tensorflow.compat",
    "tensorflow.compat.v1",
    "tokenization",
    "albert",
    "model",
    "util",
)


class _Stub:
    """Has every attribute: a function that does nothing."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class _Flags:
    """The flags that instances and masks depend on."""

    do_whole_word_mask = False
    random_next_sentence = False
    spm_model_file = None
    ngram = 1
    favor_shorter_ngram = True
    do_permutation = False


class ConstantRandom:
    """A random.Random whose uniform numbers are all `value`; it does not shuffle."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value

    def randint(self, low, high):
        return low + int(self.value * (high - low + 1))

    def shuffle(self, items):
        pass


def upstream_checkout(name):
    """The folder of a checkout, or the test is skipped."""
    variable = f"UPSTREAM_{name.upper()}"
    if variable not in os.environ:
        pytest.skip(f"needs a checkout of google-research/{name} in {variable}")
    return os.environ[variable]


def upstream_module(monkeypatch, name, file_name):
    """A module of the original code, with stubs for what it imports."""
    path = os.path.join(upstream_checkout(name), file_name)
    stub = _Stub()
    stub.flags = _Stub()
    stub.compat = stub.v1 = stub
    for imported in _IMPORTED:
        monkeypatch.setitem(sys.modules, imported, stub)
    spec = importlib.util.spec_from_file_location("upstream", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FLAGS = _Flags()
    return module
