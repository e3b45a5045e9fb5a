"""PretrainingConfig, upstream's hyperparameters of pre-training.

For programs that are written for it; this project's command has flags.
Source: google-research/electra, configure_pretraining.py.
"""

import os

from electra_ko import hyperparameters

_DEFAULTS = dict(
    hyperparameters.MODEL,
    **hyperparameters.TPU,
    debug=False,
    do_train=True,
    do_eval=False,
    # objectives
    electra_objective=True,
    electric_objective=False,
    gen_weight=1.0,
    disc_weight=50.0,
    mask_prob=0.15,
    # optimiser
    learning_rate=5e-4,
    lr_decay_power=1.0,
    weight_decay_rate=0.01,
    num_warmup_steps=10000,
    # training
    iterations_per_loop=200,
    save_checkpoints_steps=1000,
    num_train_steps=1000000,
    num_eval_steps=100,
    keep_checkpoint_max=5,
    # generator
    uniform_generator=False,
    two_tower_generator=False,
    untied_generator_embeddings=False,
    untied_generator=True,
    generator_layers=1.0,
    generator_hidden_size=0.25,
    disallow_correct=False,
    temperature=1.0,
    # batches
    max_seq_length=128,
    train_batch_size=128,
    eval_batch_size=128,
)
_DEBUG = dict(
    train_batch_size=8,
    num_train_steps=20,
    eval_batch_size=4,
    iterations_per_loop=1,
    num_eval_steps=2,
)


class PretrainingConfig(hyperparameters.Hparams):
    """Upstream's names and defaults, as attributes.

    Args:
      model_name: names the folder `data_dir`/models/`model_name`.
      data_dir: holds vocab.txt, pretrain_tfrecords/ and models/.
      **kwargs: values other than the defaults.

    Attributes:
      max_predictions_per_seq: masked slots of a row, int((mask_prob + 0.005) S).
      others: as upstream; a small model has embedding_size=128.

    Raises:
      InputError: an unknown name among `kwargs`.
    """

    def __init__(self, model_name, data_dir, **kwargs):
        model_dir = os.path.join(data_dir, "models", model_name)
        results = os.path.join(model_dir, "results", "unsup_results")
        records = os.path.join(data_dir, "pretrain_tfrecords", "pretrain_data.tfrecord")
        super().__init__(
            model_name=model_name,
            model_hparam_overrides={},
            pretrain_tfrecords=records + "*",
            vocab_file=os.path.join(data_dir, "vocab.txt"),
            model_dir=model_dir,
            results_txt=results + ".txt",
            results_pkl=results + ".pkl",
            **_DEFAULTS,
        )
        self.update(kwargs)
        slots = (self.mask_prob + 0.005) * self.max_seq_length
        self.max_predictions_per_seq = int(slots)
        if self.debug:
            self.update(_DEBUG)
        if self.model_size == "small":
            self.embedding_size = hyperparameters.EMBEDDING_SIZE_OF_SMALL
        if self.electric_objective:
            self.two_tower_generator = True
        self.update(kwargs)  # what is asked for beats what depends on it
