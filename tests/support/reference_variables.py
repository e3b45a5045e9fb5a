"""TensorFlow 1's reference variables, which upstream's programs make by default."""

import contextlib

import pytest

from encoder_ko.compat import tf


@contextlib.contextmanager
def _variables(resource):
    before = tf.resource_variables_enabled()
    choose = {True: tf.enable_resource_variables, False: tf.disable_resource_variables}
    choose[resource]()
    yield
    choose[before]()


@pytest.fixture
def reference_variables():
    """tf.get_variable makes reference variables by itself."""
    with _variables(resource=False):
        yield


@pytest.fixture(params=[False, True], ids=["reference", "resource"])
def variables_of_client(request):
    """tf.get_variable makes reference variables by itself, then resource variables."""
    with _variables(request.param):
        yield request.param
