"""TensorFlow 1's reference variables, which upstream's programs make by default."""

import pytest

from encoder_ko.compat import tf


@pytest.fixture(params=[False, True], ids=["reference", "resource"])
def variables_of_client(request):
    """What tf.get_variable makes by itself: reference variables, then resource ones."""
    before = tf.resource_variables_enabled()
    choose = {True: tf.enable_resource_variables, False: tf.disable_resource_variables}
    choose[request.param]()
    yield request.param
    choose[before]()
