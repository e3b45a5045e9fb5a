"""Records, vocabulary, configuration and checkpoint of a run fit together."""

import itertools
from typing import Any, Iterator, Optional, Sequence

from absl import logging

from data.io.errors import InputError
from data.records.dataset import RecordFiles
from data.records.tfrecords import read_records
from data.tokenization import Tokenizer, require_same_tokenizer
from encoder_ko.compat import tf
from encoder_ko.training import agreement
from encoder_ko.training.model_files import ModelFiles

_RECORDS_READ = 1000
# A sample of records has nearly the highest id, since masks put random ones in.
_LIKELY_ALL = 0.9


def check_records(
    data: RecordFiles, config: Any, tokenizer: Optional[Tokenizer], source: str
) -> None:
    """Finds out whether records are of the vocabulary in use, or of one that fits.

    Args:
      tokenizer: None = no vocabulary was named.
      source: names the records in messages.

    Raises:
      InputError: they are of another tokenizer, or hold ids beyond the embedding table.
    """
    if tokenizer is not None:
        if data.tokenizer:
            require_same_tokenizer(data.tokenizer, tokenizer, source)
        return
    pieces = (data.tokenizer or {}).get("vocab_size")
    if pieces is not None:
        found = too_high = f"is of a vocabulary of {pieces} pieces"
        likely = pieces
    else:
        pieces = _highest_id(data) + 1
        read = f"in its first {_RECORDS_READ} records"
        found = f"has no id above {pieces - 1} {read}"
        too_high = f"has the id {pieces - 1} {read}"
        likely = pieces / _LIKELY_ALL
    if pieces > config.vocab_size:
        raise InputError(
            f"{source} {too_high}, and the embedding "
            f"table has vocab_size={config.vocab_size} rows. Use the configuration of "
            "that vocabulary, or build the records with the model's."
        )
    if likely < config.vocab_size:
        logging.warning(
            "%s %s, fewer than the %d rows of the embedding table. Is it the "
            "vocabulary of this model? --vocab_file names it, and is checked.",
            source,
            found,
            config.vocab_size,
        )


def _highest_id(data: RecordFiles) -> int:
    highest = 0
    records = itertools.chain.from_iterable(map(read_records, data.paths))
    for record in itertools.islice(records, _RECORDS_READ):
        features = tf.train.Example.FromString(record).features.feature
        for name in ("input_ids", "masked_lm_ids", "wop_ids"):
            highest = max(highest, *features[name].int64_list.value or [0])
    return highest


def differences(
    files: ModelFiles,
    model_type: str,
    config: Any,
    tokenizer: Optional[Tokenizer],
    data: RecordFiles,
    eval_data: RecordFiles,
    chosen_anew: Sequence[str] = (),
) -> Iterator[str]:
    """Where records, model and the folder of the checkpoint contradict each other.

    Args:
      files: those in use; no checkpoint = training from scratch, or none at all.
      tokenizer: of the vocabulary in use; None = only the records tell.
      chosen_anew: keys of the configuration that flags allow to be others.
    """
    records, others = data.tokenizer, eval_data.tokenizer
    if records and others and records["fingerprint"] != others["fingerprint"]:
        yield (
            "The records of --input_file and --eval_input_file are of different "
            f"tokenizers: {_first_setting(records, others)}. Build both with one."
        )
    if not files.init_checkpoint:
        return
    if tokenizer is not None:
        yield from agreement.differences_of_model(
            files, model_type, config, tokenizer, chosen_anew
        )
        return
    yield from agreement.differences_of_config(files, model_type, config, chosen_anew)
    home = agreement.home_of(files.init_checkpoint)
    trained = agreement.tokenizer_of(home)
    if trained and records and trained.fingerprint != records["fingerprint"]:
        yield (
            f"The model in {home} and the records are of different tokenizers: "
            f"{_first_setting(trained.identity(), records)}. Build the records with "
            "the model's vocabulary."
        )


def _first_setting(one, other):
    names = [name for name in one if one[name] != other.get(name)]
    return f"{names[0]} is {one[names[0]]!r} and {other.get(names[0])!r}"
