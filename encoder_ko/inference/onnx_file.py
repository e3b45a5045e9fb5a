"""A fine-tuned model as an ONNX file, by way of tf2onnx."""

import os

from data.io import files
from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.finetuning.saved_run import FineTunedModel
from encoder_ko.inference import saved_model

FILE_NAME = "model.onnx"
_WRITTEN = (FILE_NAME, *saved_model.ASSET_NAMES)
_OPSET = 17


def write_onnx(model: FineTunedModel, path: str, overwrite: bool = False) -> None:
    """Writes a folder with model.onnx and the files of `export.asset_files`.

    The graph is that of the task's signature (`export.SIGNATURES`): inputs and outputs
    have the same names, batch and length are free; none of the inputs can be left out.

    Args:
      path: the folder.
      overwrite: whether an earlier export there may be replaced; nothing else is.

    Raises:
      InputError: tf2onnx is not installed; as `export.write_saved_model`.
    """
    try:
        import tf2onnx.convert
    except ImportError as error:
        raise InputError(
            f"--format=onnx needs tf2onnx ({error}): pip install -c constraints.txt "
            "-e '.[onnx]'"
        ) from error
    assets = saved_model.asset_files(model)
    with files.new_folder(path, _WRITTEN, overwrite) as temporary:
        with saved_model.restored(model) as (session, graph):
            outputs = graph.signatures[saved_model.SIGNATURES[model.task.task_type]]
            frozen = tf.graph_util.convert_variables_to_constants(
                session,
                session.graph.as_graph_def(),
                [tensor.op.name for tensor in outputs.values()],
            )
        for node in frozen.node:  # no default can be computed from another input
            if node.op == "PlaceholderWithDefault":
                node.op = "Placeholder"
                del node.input[:]
        names = {tensor.name: name for name, tensor in graph.inputs.items()}
        names.update((tensor.name, name) for name, tensor in outputs.items())
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen,
            input_names=[tensor.name for tensor in graph.inputs.values()],
            output_names=[tensor.name for tensor in outputs.values()],
            opset=_OPSET,
        )
        _rename(converted.graph, names)
        with files.new_file(os.path.join(temporary, FILE_NAME)) as writer:
            writer.write(converted.SerializeToString())
        for asset in assets:
            files.copy(asset, os.path.join(temporary, os.path.basename(asset)))


def _rename(graph, names):
    """Gives the graph's values our names instead of TensorFlow's `name:0`."""
    for value in list(graph.input) + list(graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            for position, name in enumerate(ends):
                ends[position] = names.get(name, name)


def onnx_runner(path: str):
    """The file as a function: inputs by name -> outputs by name.

    Raises:
      InputError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"Running an ONNX file needs onnxruntime ({error}): pip install -c "
            "constraints.txt -e '.[onnx]'"
        ) from error
    with files.local_copy(path) as copy:
        session = onnxruntime.InferenceSession(copy, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]

    def run(inputs):
        return dict(zip(outputs, session.run(outputs, inputs)))

    return run
