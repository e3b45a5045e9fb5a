"""Pre-training in float16 with a loss scale, as far as a CPU can show it."""

import numpy as np
import pytest

from encoder_ko.compat import tf
from tests.support import pretraining_runs as runs

pytestmark = pytest.mark.slow


def test_float16_learns_what_float32_learns(tmp_path):
    """Losses within 1%; the scale is in the checkpoint."""
    folder = runs.prepare(tmp_path, "bert")

    def train(name, **changes):
        flags = runs.arguments(folder, "bert", tmp_path / name, **changes)
        assert runs.run(*flags) == 0
        return runs.read_lines(tmp_path / name / "training_log.jsonl")

    wide = train("float32")
    narrow = train("float16", compute_type="float16")
    losses = [[line["loss"] for line in log] for log in (narrow, wide)]
    np.testing.assert_allclose(*losses, rtol=0.01)
    newest = tf.train.latest_checkpoint(str(tmp_path / "float16"))
    assert tf.train.load_variable(newest, "loss_scale") == 2.0**15
    assert tf.train.load_variable(newest, "loss_scale_finite_updates") == 12
