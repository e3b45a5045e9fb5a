"""FinetuningConfig, upstream's hyperparameters of fine-tuning.

For programs that are written for it; this project's command has flags.
Source: google-research/electra, configure_finetuning.py.
"""

import os

from data.io import files
from electra_ko import hyperparameters

_DEFAULTS = dict(
    hyperparameters.MODEL,
    **hyperparameters.TPU,
    debug=False,
    log_examples=False,
    num_trials=1,
    do_train=True,
    do_eval=True,
    keep_all_models=True,
    # training
    learning_rate=1e-4,
    weight_decay_rate=0.01,
    layerwise_lr_decay=0.8,
    num_train_epochs=3.0,
    warmup_proportion=0.1,
    save_checkpoints_steps=1000000,
    iterations_per_loop=1000,
    use_tfrecords_if_existing=True,
    # outputs
    write_test_outputs=False,
    n_writes_test=5,
    # batches
    max_seq_length=128,
    train_batch_size=32,
    eval_batch_size=32,
    predict_batch_size=32,
    double_unordered=True,
    # question answering
    max_query_length=64,
    doc_stride=128,
    n_best_size=20,
    max_answer_length=30,
    answerable_classifier=True,
    answerable_uses_start_logits=True,
    answerable_weight=0.5,
    joint_prediction=True,
    beam_size=20,
    qa_na_threshold=-2.75,
)
_DEBUG = dict(
    save_checkpoints_steps=1000000,
    use_tfrecords_if_existing=False,
    num_trials=1,
    iterations_per_loop=1,
    train_batch_size=32,
    num_train_epochs=3.0,
    log_examples=True,
)


class FinetuningConfig(hyperparameters.Hparams):
    """Upstream's names and defaults, as attributes.

    Args:
      model_name: names the folder `data_dir`/models/`model_name`.
      data_dir: holds models/ and finetuning_data/.
      **kwargs: values other than the defaults.

    Attributes:
      raw_data_dir, qa_eval_file, qa_preds_file, qa_na_file, test_predictions: functions
        of the names that complete a path, such as the task's.
      others: as upstream. Epochs and max_seq_length depend on the task where there is
        one; learning_rate, layerwise_lr_decay and embedding_size on model_size.

    Raises:
      InputError: an unknown name among `kwargs`.
    """

    def __init__(self, model_name, data_dir, **kwargs):
        task_names = kwargs.get("task_names", ["chunk"])
        super().__init__(
            model_name=model_name,
            data_dir=data_dir,
            task_names=task_names,
            model_hparam_overrides={},
            **_DEFAULTS,
        )
        self.init_checkpoint = os.path.join(data_dir, "models", model_name)
        self.__dict__.update(_paths(data_dir, self.init_checkpoint, task_names))
        self.update(kwargs)
        if len(self.task_names) == 1:
            self.__dict__.update(_settings_of_task(self.task_names[0]))
        if self.model_size == "large":
            self.learning_rate, self.layerwise_lr_decay = 5e-5, 0.9
        elif self.model_size == "small":
            self.embedding_size = hyperparameters.EMBEDDING_SIZE_OF_SMALL
        if self.debug:
            self.update(_DEBUG)
        self.update(kwargs)  # what is asked for beats what depends on it


def _paths(data_dir, model_dir, task_names):
    names = ",".join(task_names)
    results = os.path.join(model_dir, "results", names)
    vocab_file = os.path.join(model_dir, "vocab.txt")
    if not files.exists(vocab_file):
        vocab_file = os.path.join(data_dir, "vocab.txt")
    predictions = os.path.join(model_dir, "test_predictions")
    return dict(
        raw_data_dir=os.path.join(data_dir, "finetuning_data", "{:}").format,
        vocab_file=vocab_file,
        model_dir=os.path.join(model_dir, "finetuning_models", names + "_model"),
        results_txt=results + "_results.txt",
        results_pkl=results + "_results.pkl",
        qa_eval_file=os.path.join(results + "_qa", "{:}_eval.json").format,
        qa_preds_file=os.path.join(results + "_qa", "{:}_preds.json").format,
        qa_na_file=os.path.join(results + "_qa", "{:}_null_odds.json").format,
        preprocessed_data_dir=os.path.join(
            model_dir, "finetuning_tfrecords", names + "_tfrecords"
        ),
        test_predictions=os.path.join(
            predictions, "{:}_{:}_{:}_predictions.pkl"
        ).format,
    )


def _settings_of_task(task_name):
    if task_name in ("rte", "sts"):
        return dict(num_train_epochs=10.0)
    if "squad" in task_name or "qa" in task_name:
        return dict(
            max_seq_length=512,
            num_train_epochs=2.0,
            write_distill_outputs=False,
            write_test_outputs=False,
        )
    if task_name == "chunk":
        return dict(max_seq_length=256)
    return dict(num_train_epochs=3.0)
