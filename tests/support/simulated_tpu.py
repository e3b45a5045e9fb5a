"""A TPU that is not there: TPUEstimator is told of cores, and builds for them.

Nothing runs on it. What TPUEstimator would feed to the cores is read here, through the
contexts that it gives to an input_fn; its graphs are built whole.
"""

from tensorflow.python.tpu import tpu_system_metadata
from tensorflow_estimator.python.estimator.tpu import tpu_context

from encoder_ko.compat import tf
from encoder_ko.training.estimator import Hardware

CORES_PER_HOST = 8

# TensorFlow 1.15's name is the second one.
Metadata = getattr(
    tpu_system_metadata,
    "TPUSystemMetadata",
    getattr(tpu_system_metadata, "_TPUSystemMetadata", None),
)


def hardware(hosts=1, steps_per_loop=4):
    """Flags of a TPU of 8 cores a host."""
    return Hardware(
        use_tpu=True,
        master="",
        num_tpu_cores=CORES_PER_HOST * hosts,
        iterations_per_loop=steps_per_loop,
    )


def attach(estimator):
    """Tells a TPUEstimator of the TPU that its `Hardware` speaks of."""
    cores = estimator.config.tpu_config.num_shards
    estimator._ctx._lazy_tpu_system_metadata_dict[""] = Metadata(
        cores, cores // CORES_PER_HOST, CORES_PER_HOST, None, []
    )
    return estimator


def batches_of_cores(estimator, input_fn, mode):
    """What each core gets in each step, until a host has no more.

    Returns:
      [step][core] -> features, as NumPy arrays. TPUEstimator calls the input_fn once a
      host in training, and takes a batch for each of its cores a step; otherwise once
      in all, and slices each batch to the cores.
    """
    is_training = mode == tf.estimator.ModeKeys.TRAIN
    with estimator._ctx.with_mode(mode) as context:
        cores, hosts = context.num_replicas, context.num_hosts if is_training else 1
        of_host = estimator._call_input_fn(input_fn, mode)
        streams = []
        for host in range(hosts):
            user_context = tpu_context.TPUContext(context, invocation_index=host)
            streams.append(read(of_host, user_context))
    if not is_training:
        return [_slices(batch, cores) for batch in streams[0]]
    steps = min(len(stream) for stream in streams) // CORES_PER_HOST
    return [
        [
            batch
            for stream in streams
            for batch in stream[step * CORES_PER_HOST : (step + 1) * CORES_PER_HOST]
        ]
        for step in range(steps)
    ]


def read(input_fn, argument, fixed=True):
    """All elements of the dataset `input_fn(argument)`, with fixed shapes if so."""
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = input_fn(argument)
        for shape in tf.nest.flatten(tf.data.get_output_shapes(dataset)):
            assert shape.is_fully_defined() or not fixed, shape
        following = tf.data.make_one_shot_iterator(dataset).get_next()
        found = []
        while True:
            try:
                found.append(session.run(following))
            except tf.errors.OutOfRangeError:
                return found


def _slices(batch, cores):
    size = len(batch["input_ids"]) // cores
    return [
        {
            name: values[core * size : (core + 1) * size]
            for name, values in batch.items()
        }
        for core in range(cores)
    ]


def build_graph(estimator, input_fn, mode):
    """TPUEstimator's own graph of a mode: infeed, the program of the cores, outfeed."""
    with tf.Graph().as_default() as graph:
        estimator._create_global_step(graph)
        estimator._rendezvous[mode] = None
        of_host = estimator._call_input_fn(input_fn, mode)
        spec = estimator._call_model_fn(of_host, None, mode, estimator.config)
    return graph, spec
