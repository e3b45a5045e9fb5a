"""Files of tensors: every number of half precision is kept, none is made up."""

import json
import struct

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the package safetensors")

from data.io.errors import InputError  # noqa: E402
from encoder_ko.hub import tensors, weights  # noqa: E402
from tests.support.hf_reference import CONFIGS, NETWORKS, batch, run  # noqa: E402

VALUES = np.array([[1.0, -0.5, 3.1415], [65504.0, 6e-8, 0.0]], np.float32)


def write(folder, dtype, content, shape, name="w"):
    """A model.safetensors of one tensor, by the format's definition."""
    entry = {"dtype": dtype, "shape": list(shape), "data_offsets": [0, len(content)]}
    header = json.dumps({name: entry}).encode("utf-8")
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)


def test_float16_is_float32_to_the_bit(tmp_path):
    half = VALUES.astype(np.float16)
    write(tmp_path, "F16", half.tobytes(), half.shape)
    found = tensors.read_hugging_face(str(tmp_path))["w"]
    assert found.dtype == np.float32
    assert np.array_equal(found, half.astype(np.float32))
    assert np.array_equal(found.astype(np.float16), half)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    bits = np.array([0x3F80, 0xBF00, 0x4049, 0x7F7F, 0x0001, 0x8000], np.uint16)
    write(tmp_path, "BF16", bits.tobytes(), (2, 3))
    found = tensors.read_hugging_face(str(tmp_path))["w"]
    assert found.dtype == np.float32 and found.shape == (2, 3)
    assert found[0].tolist() == [1.0, -0.5, 3.140625]
    assert np.array_equal(found.view(np.uint32) >> 16, bits.reshape(2, 3))
    assert not (found.view(np.uint32) & 0xFFFF).any()


def test_float32_and_counts_stay(tmp_path):
    write(tmp_path, "F32", VALUES.tobytes(), VALUES.shape)
    assert np.array_equal(tensors.read_hugging_face(str(tmp_path))["w"], VALUES)
    write(tmp_path, "I64", np.arange(3).tobytes(), [3], "embeddings.position_ids")
    found = tensors.read_hugging_face(str(tmp_path))
    assert found["embeddings.position_ids"].tolist() == [0, 1, 2]


def test_half_precision_of_tensorflow_is_widened_too():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for half in (np.float16, ml_dtypes.bfloat16):
        found = tensors._widened(VALUES.astype(half))
        assert found.dtype == np.float32
        assert np.array_equal(found, VALUES.astype(half).astype(np.float32))


def test_other_types_are_refused_by_name(tmp_path):
    write(tmp_path, "F8_E4M3", b"\0" * 6, (2, 3))
    with pytest.raises(
        InputError,
        match="model.safetensors.*(w is of the type F8_E4M3|could not be read)",
    ):
        tensors.read_hugging_face(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_git_lfs_pointer_is_no_model(tmp_path, name):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(InputError, match=f"{name} is a Git LFS pointer, not the file"):
        tensors.read_hugging_face(str(tmp_path))


# --- Values that are no numbers ---------------------------------------------------


@pytest.fixture(scope="module")
def variables():
    config = CONFIGS["bert"]
    return run("bert", "encoder", config, batch(config.vocab_size))[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_place(variables, value):
    name = "bert/encoder/layer_1/output/dense/kernel"
    broken = dict(variables, **{name: variables[name].copy()})
    broken[name][2, 3] = broken[name][5, 0] = value
    with pytest.raises(InputError) as raised:
        weights.to_hugging_face(NETWORKS["bert"], CONFIGS["bert"], broken, "", "m.ckpt")
    assert str(raised.value).startswith(
        f"m.ckpt: {name} holds 2 values that are not finite, the first of them {value} "
        "at [2, 3]."
    )


def test_so_it_is_on_the_way_back(variables):
    (model,) = weights.to_hugging_face(
        NETWORKS["bert"], CONFIGS["bert"], variables, "", "m.ckpt"
    )
    name = "bert.encoder.layer.1.output.dense.bias"
    model.tensors[name][4] = np.nan
    with pytest.raises(InputError, match=f"folder: {name} holds 1 values .* nan at"):
        weights.to_tensorflow(
            model.names, model.config, model.tensors, model.architecture, "", "folder"
        )


def test_a_full_disk_is_one_line():
    with pytest.raises(InputError, match="/dev/full could not be written: .*No space"):
        tensors.write_safetensors("/dev/full", {"a": np.zeros(9, np.float32)})
