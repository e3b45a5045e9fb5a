"""What a prediction graph makes of its weights alone is made once, and held.

Weights are cast to the compute type, joined and sliced in the graph, since they are
trained. Where they never change that is lost work in every call: for a lone text, with
BERT-base in bfloat16, more than all the rest.
"""

from typing import Any, Dict, List, Sequence

from encoder_ko.compat import Tensor, tf

_READS = ("ReadVariableOp", "Identity", "VariableV2", "Variable", "VarHandleOp")


def hold(outputs: Sequence[Tensor]) -> Any:
    """Makes the graph read what depends on variables alone from variables of its own.

    To be called before a session of the graph is opened.

    Args:
      outputs: of the graph.

    Returns:
      An op that computes what is held, to be run once the weights are there.
    """
    operations = _needed(outputs)
    fixed = _of_weights(operations)
    held: Dict[str, Tensor] = {}
    assignments = []
    for operation in operations:
        if operation.name in fixed:
            continue
        for place, tensor in enumerate(operation.inputs):
            if fixed.get(tensor.op.name) and tensor.op.type not in _READS:
                if tensor.name not in held:
                    variable = _variable_like(tensor)
                    assignments.append(variable.assign(tensor).op)
                    held[tensor.name] = variable.read_value()
                operation._update_input(place, held[tensor.name])
    return tf.group(*assignments)


def _needed(outputs: Sequence[Tensor]) -> List[Any]:
    """The operations that outputs depend on, each behind those that it depends on."""
    found: Dict[str, Any] = {}
    waiting = [(output.op, False) for output in outputs]
    while waiting:
        operation, is_ready = waiting.pop()
        if operation.name in found:
            continue
        if is_ready:
            found[operation.name] = operation
        else:
            waiting.append((operation, True))
            waiting += [(tensor.op, False) for tensor in operation.inputs]
    return list(found.values())


def _of_weights(operations: Sequence[Any]) -> Dict[str, bool]:
    """Names of what no input of the model changes: whether a variable is in it."""
    found: Dict[str, bool] = {}
    for operation in operations:
        before = [tensor.op.name for tensor in operation.inputs]
        if operation.type in ("VariableV2", "Variable", "VarHandleOp"):
            found[operation.name] = True
        elif operation.type == "Const" or (before and all(n in found for n in before)):
            found[operation.name] = any(found[name] for name in before)
    return found


def _variable_like(tensor: Tensor) -> tf.Variable:
    shape, dtype = tensor.shape, tensor.dtype
    return tf.Variable(
        lambda: tf.zeros(shape, dtype),
        trainable=False,
        collections=[],  # no checkpoint has it
        use_resource=True,
        name="held",
    )
