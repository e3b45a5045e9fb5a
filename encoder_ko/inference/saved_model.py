"""A fine-tuned model as a SavedModel that any TensorFlow can load and serve.

The graph has inputs of any batch size and length and consists of ordinary ops in
float32. Each signature takes the ids that the tokenizer makes; its files travel along
as assets.
"""

import contextlib
import os
from typing import Any, Dict, Iterator, List, NamedTuple

from data.io import files
from data.io.errors import InputError
from data.tasks import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
)
from data.tokenization import CONFIG_FILE_NAME
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.finetuning.saved_run import FineTunedModel
from encoder_ko.training import checkpoints, restoring
from encoder_ko.training.run_folder import TASK

INPUT_NAMES = ("input_ids", "input_mask", "segment_ids")
SIGNATURES = {
    CLASSIFICATION: "classify",
    REGRESSION: "score",
    TAGGING: "tag",
    QUESTION_ANSWERING: "answer",
    DEPENDENCY_PARSING: "parse",
}
ENCODE = "encode"
# What `asset_files` are called, and all files of an export.
ASSET_NAMES = ("vocab.txt", "*.model", CONFIG_FILE_NAME, TASK)
_WRITTEN = (
    "saved_model.pb",
    "fingerprint.pb",  # by some versions of TensorFlow
    "variables/variables.*",
    *(f"assets/{name}" for name in ASSET_NAMES),
)
DEFAULT = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class InferenceGraph(NamedTuple):
    """Tensors by name.

    Attributes:
      inputs: int32 [B, S], of INPUT_NAMES; input_mask is 1 for tokens, 0 for padding.
        For dependency parsing also word_mask, 1 at the first piece of each word; left
        out, each token is a word.
      signatures: name -> outputs. The one of the task (SIGNATURES) has the outputs of
        its type; ENCODE has pooled_output [B, H] and sequence_output [B, S, H].
    """

    inputs: Dict[str, Any]
    signatures: Dict[str, Dict[str, Any]]


def build_graph(model: FineTunedModel) -> InferenceGraph:
    """Builds the inference graph, without weights, in the default graph."""
    inputs = {
        name: tf.placeholder(tf.int32, [None, None], name) for name in INPUT_NAMES
    }
    for name in model.task_type.graph_inputs:
        mask = inputs["input_mask"]
        inputs[name] = tf.placeholder_with_default(mask, [None, None], name)
    with compat.plain_ops(), tf.variable_scope("", reuse=tf.AUTO_REUSE):
        of_task = _task_outputs(model, inputs)
        encoder = _encoder(model, inputs, only_first_token=False)
    encoded = {
        "pooled_output": encoder.get_pooled_output(),
        "sequence_output": encoder.get_sequence_output(),
    }
    signatures = {SIGNATURES[model.task.task_type]: of_task, ENCODE: encoded}
    return InferenceGraph(
        inputs,
        {
            name: {
                output: tf.identity(tensor, f"{name}/{output}")
                for output, tensor in outputs.items()
            }
            for name, outputs in signatures.items()
        },
    )


def _encoder(model, inputs, only_first_token):
    model_class = model.family.model_class
    return model_class(
        model.config,
        False,
        *(inputs[name] for name in INPUT_NAMES),
        scope=model_class.default_scope,
        only_first_token=only_first_token,
    )


def _task_outputs(model, inputs):
    """What prediction gives out; labels, which it computes a loss from, are zeros."""
    batch = tf.shape(inputs["input_ids"])[:1]
    features = dict(inputs, is_real_example=tf.ones(batch))
    for feature in model.task_type.features():
        if feature.name not in features:
            dtype = tf.float32 if feature.dtype == "float32" else tf.int32
            shape = batch if feature.length else tf.shape(inputs["input_ids"])
            features[feature.name] = tf.zeros(shape, dtype)
    encoder = _encoder(model, inputs, model.task_type.only_first_token)
    return model.task_type.head(model.family, encoder, features).outputs


@contextlib.contextmanager
def restored(model: FineTunedModel) -> Iterator:
    """Yields (session, InferenceGraph) with the model's weights.

    Raises:
      InputError: the checkpoint lacks a variable, has it in another shape, or with a
        value that is not finite.
    """
    with tf.Graph().as_default():
        graph = build_graph(model)
        with restoring.open_session(model.checkpoint) as session:
            for variable in tf.global_variables():
                name = compat.variable_name(variable)
                checkpoints.require_finite(
                    name, session.run(variable), model.checkpoint
                )
            yield session, graph


def asset_files(model: FineTunedModel) -> List[str]:
    """What one needs beside the graph: vocabulary, its settings, task and labels.

    Raises:
      InputError: one of them is gone.
    """
    vocab_file = os.path.basename(model.tokenizer.vocabulary.path)
    names = (vocab_file, CONFIG_FILE_NAME, TASK)
    paths = [os.path.join(model.path, name) for name in names]
    for path in paths:
        if not files.exists(path):
            raise InputError(
                f"{path} is missing: give the run's command again, which writes it."
            )
    return paths


def write_saved_model(model: FineTunedModel, path: str, overwrite: bool = False):
    """Writes a SavedModel folder, whole or not at all; `asset_files` as its assets.

    Args:
      path: the folder.
      overwrite: whether an earlier export there may be replaced; nothing else is.

    Raises:
      InputError: as `restored` and `files.new_folder`.
    """
    assets = asset_files(model)
    with files.new_folder(path, _WRITTEN, overwrite) as temporary, restored(model) as (
        session,
        graph,
    ):
        builder = tf.saved_model.builder.SavedModelBuilder(temporary)
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.tag_constants.SERVING],
            signature_def_map=_signatures(graph),
            assets_collection=[_asset(file) for file in assets],
        )
        builder.save()


def _asset(file):
    tensor = tf.constant(file, name="asset")
    tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, tensor)
    return tensor


def _signatures(graph: InferenceGraph):
    made = {
        name: tf.saved_model.signature_def_utils.predict_signature_def(
            {
                input_name: tensor
                for input_name, tensor in graph.inputs.items()
                if name != ENCODE or input_name in INPUT_NAMES
            },
            outputs,
        )
        for name, outputs in graph.signatures.items()
    }
    made[DEFAULT] = made[next(iter(graph.signatures))]
    return made
