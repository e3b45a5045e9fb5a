"""The only module that knows which TensorFlow is running (1.15 or 2.x).

Everything else imports `tf` from here and writes TensorFlow 1 graph code.
"""

import contextlib
import ctypes
import functools
import os
import re
import sys
from typing import Any, Callable, Iterator, List, Sequence, TypeVar, Union

# Its native code greets with lines about missing GPUs, some of them as "errors". Real
# errors arrive as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Take memory of a GPU as it is needed, so that others find some.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import tensorflow as _tensorflow
import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import Tensor
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops import resource_variable_ops
from tensorflow_estimator.python.estimator import run_config

TF_VERSION = _tensorflow.__version__
IS_TF2 = not TF_VERSION.startswith("1.")

Size = Union[int, Tensor]  # of an axis: known, or an int32 scalar
Function = TypeVar("Function", bound=Callable)

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


def compiled(function: Function) -> Function:
    """Compiles a pure function of tensors into one fused kernel where possible.

    Under TensorFlow 2 on the CPU an XLA-compiled function makes one pass over memory
    where separate ops make one each; on TPU all is compiled anyway, and under 1.15 it
    stays as it is written.

    Args:
      function: pure, tensors in and tensors out; no variables, no Python state.

    Returns:
      A function with the same signature; inside `plain_ops` it is `function`.
    """
    if not IS_TF2:
        return function

    @functools.wraps(function)
    def call(*args):
        return (function if _PLAIN_OPS else _fused_in_graph(function))(*args)

    return call


def _fused_in_graph(function):
    """The compiled form of a function for the default graph, which holds it.

    A tf.function keeps every graph in which it was called; one of the whole program
    would keep all graphs that it ever built.
    """
    fused = _belongings(tf.get_default_graph())
    if function not in fused:
        fused[function] = _tensorflow.function(
            function, jit_compile=True, autograph=False
        )
    return fused[function]


def custom_gradient(function: Function, in_plain_ops: bool = False) -> Function:
    """tf.custom_gradient for graphs, which then can be freed.

    TensorFlow's own registers the gradient function, and with it the graph, for the
    rest of the program.

    Args:
      function: tensors in, (value, gradient function) out. The value is a tensor or a
        list of them; the gradient function takes a gradient by each and returns one by
        each argument, as a list or, by one argument, a tensor. No variables inside.
      in_plain_ops: whether the gradient is of the function's own inside `plain_ops`,
        too; else it is that of the ordinary ops there.
    """

    @functools.wraps(function)
    def call(*args):
        if _PLAIN_OPS and not in_plain_ops:
            return function(*args)[0]
        args = [tf.convert_to_tensor(arg) for arg in args]
        value, gradients = function(*args)
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        graph = tf.get_default_graph()
        with graph.gradient_override_map({"IdentityN": _OWN_GRADIENT}):
            outputs = tf.identity_n(values + args)[: len(values)]
        _belongings(graph)[outputs[0].op.name] = len(values), gradients
        return outputs if isinstance(value, (list, tuple)) else outputs[0]

    return call


_OWN_GRADIENT = "EncoderKoCustomGradient"


@tf.RegisterGradient(_OWN_GRADIENT)
def _own_gradient(op, *upstream):
    count, gradients = _belongings(op.graph)[op.name]
    # What was read by a plain gather comes as IndexedSlices.
    by_args = gradients(*map(tf.convert_to_tensor, upstream[:count]))
    if not isinstance(by_args, (list, tuple)):
        by_args = [by_args]
    return [None] * count + list(by_args)


def _belongings(graph):
    """What is held by a graph, so that both are freed together."""
    if not hasattr(graph, "_encoder_ko"):
        graph._encoder_ko = {}
    return graph._encoder_ko


_PLAIN_OPS = []  # one entry for each `plain_ops` that is open


@contextlib.contextmanager
def plain_ops() -> Iterator[None]:
    """Graphs built inside consist of ordinary ops, for inference anywhere.

    Nothing is compiled and nothing has a gradient of its own, so that any TensorFlow
    and any converter can read what is exported.
    """
    _PLAIN_OPS.append(True)
    try:
        yield
    finally:
        _PLAIN_OPS.pop()


def is_left_to_onednn() -> bool:
    """Whether TensorFlow itself joins what is built: inside `plain_ops`, under 2.

    Its oneDNN kernels make one pass of a product, a bias and a GELU if these are its
    own ops and of one type.
    """
    return IS_TF2 and bool(_PLAIN_OPS)


def gelu(x: Tensor, approximate: bool) -> Tensor:
    """TensorFlow 2's own, in its form by tanh or by erf."""
    return _tensorflow.nn.gelu(x, approximate)


def is_resource_variable(variable: tf.Variable) -> bool:
    """False for a reference variable, TensorFlow 1's own form."""
    return resource_variable_ops.is_resource_variable(variable)


def variable_name(variable: tf.Variable) -> str:
    """ "bert/pooler/dense/bias", the same name in every replica of a strategy."""
    return variable.name.split(":")[0]


def softmax(logits: Tensor) -> Tensor:
    """Softmax over the last axis; TensorFlow 1.15 has none in bfloat16."""
    if IS_TF2:
        return tf.nn.softmax(logits)
    return tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), logits.dtype)


@compiled
def _random_words(count, seed):
    if not IS_TF2:
        return tf.random.stateless_uniform(
            [count], seed, _INT32_MIN, _INT32_MAX, tf.int32
        )
    # Compiled, threefry is twice as fast as the ordinary op, which has none of its own.
    algorithm = "auto_select" if _PLAIN_OPS else "threefry"
    return tf.random.stateless_uniform(
        [count], seed, None, None, tf.int32, alg=algorithm
    )


def random_bytes(shape: Sequence[Size], seed: Tensor) -> Tensor:
    """Uniform random bytes that depend on `seed` alone.

    Args:
      shape: list of Python ints or int32 scalars.
      seed: int32 [2].

    Returns:
      uint8 of the given shape.
    """
    count = 1
    for size in shape:
        count = count * size
    drawn = _random_words((count + 3) // 4, seed)
    drawn = tf.reshape(tf.bitcast(drawn, tf.uint8), [-1])
    whole_words = any(isinstance(size, int) and size % 4 == 0 for size in shape)
    return tf.reshape(drawn if whole_words else drawn[:count], shape)


def gpu_devices() -> List[str]:
    """ "/gpu:0", "/gpu:1", ... as TensorFlow finds them."""
    if IS_TF2:
        found = _tensorflow.config.list_physical_devices("GPU")
    else:
        found = _tensorflow.config.experimental.list_physical_devices("GPU")
    return [f"/gpu:{number}" for number in range(len(found))]


def session_config() -> tf.ConfigProto:
    """That of an Estimator without one of its own."""
    return run_config.get_default_session_config()


def with_input_context(estimator: Any) -> Any:
    """A TPUEstimator that MirroredStrategy can train, also under 1.15.

    There the Estimator passes an `input_context` on, which TPUEstimator does not take.
    """
    if not IS_TF2:
        call_input_fn = estimator._call_input_fn
        estimator._call_input_fn = lambda input_fn, mode, input_context=None: (
            call_input_fn(input_fn, mode)
        )
    return estimator


def xla_replica_id() -> Tensor:
    """int32 scalar: which of the cores runs the graph of `tpu.replicate`."""
    return gen_xla_ops.xla_replica_id()


@functools.lru_cache(maxsize=None)  # once: twice as much address space ends forks
def keep_freed_memory() -> None:
    """Makes the C library keep large freed blocks, in huge pages, and reuse them.

    TensorFlow allocates every activation anew. Without this each step gives hundreds
    of megabytes back to the system and faults them in again page by page, which took a
    third of a step of BERT-base on two cores. Huge pages, which most systems give only
    to those who ask, took another tenth off. Does nothing where the C library is not
    glibc. For command-line programs, early: it concerns the whole process.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    # malloc.h: no block outside the one heap, and the heap is never cut.
    mmap_max, arena_max, trim_threshold, top_pad = -4, -8, -1, -2
    for option, value in (
        (mmap_max, 0),
        (arena_max, 1),
        (trim_threshold, -1),
        (top_pad, 2**28),
    ):
        library.mallopt(option, value)
    _ask_for_huge_pages(library, os.sysconf("SC_PHYS_PAGES") // 2)


def _ask_for_huge_pages(library, pages: int):
    """Asks for huge pages on `pages` pages of address space that the heap uses next."""
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    block = library.malloc(pages * page)
    if block is None:  # a limit on address space: do without
        return
    use_huge_pages = 14  # MADV_HUGEPAGE of sys/mman.h
    start = -(-block // page) * page
    library.madvise(start, (pages - 1) * page, use_huge_pages)
    # Stays behind as the end of the heap: protobuf calls malloc_trim, which would give
    # the freed block back otherwise. Never touched, it takes no memory.
    library.malloc(2**26)
    library.free(block)


_DAMAGE = re.compile(".*(?:TensorBundle at |on the restored bytes|Read less bytes).*")


def checkpoint_damage(message: str) -> str:
    """The line in which TensorFlow says that a checkpoint is damaged; "" if none."""
    found = _DAMAGE.search(message)
    return found.group().strip()[:300] if found else ""
