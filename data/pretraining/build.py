"""One build of pre-training records: what decides it, and the names of its files."""

import dataclasses
import functools
import os
from typing import Any, Dict, List, Tuple

from ..io.files import exists, file_size
from ..io.owned_folder import OwnedFolder
from ..records.manifest import MANIFEST_NAME
from ..tokenization import Tokenizer, TokenizerConfig, build_tokenizer
from .shards import ShardOptions

SHARD_PATTERN = "pretraining-*.tfrecord"
# What an engine keeps beside the shards until all are there: what the manifest will say
# of each, what its workers found, text that was compressed.
REPORT_PATTERN = "pretraining-*.report.json"
RESULTS_NAME = "pretraining-results.json"
UNPACKED_PATTERN = "pretraining-*.unpacked"
ENGINES_FILES = (REPORT_PATTERN, RESULTS_NAME, UNPACKED_PATTERN)


@dataclasses.dataclass(frozen=True)
class Build:
    """One build of records.

    Attributes:
      input_files: the corpus, in the order in which it is read.
      output_dir: where shards and manifest go.
      options: what the records hold.
      config: settings of the tokenizer.
      vocab_file: its vocabulary.
      block_bytes: text per shard.
      num_processes: worker processes; 1 = all is done in this one.
      max_bad_rows: lines of the corpus that may be left out.
      overwrite: whether records of another build, or finished ones, are replaced; a
        stopped build of the same settings and text resumes all the same.
    """

    input_files: Tuple[str, ...]
    output_dir: str
    options: ShardOptions
    config: TokenizerConfig
    vocab_file: str
    block_bytes: int
    num_processes: int = 1
    max_bad_rows: int = 0
    overwrite: bool = False

    @property
    def folder(self) -> OwnedFolder:
        """Where shards go, and the manifest: the state of the build."""
        return OwnedFolder(
            self.output_dir, MANIFEST_NAME, [SHARD_PATTERN, *ENGINES_FILES]
        )

    def settings(self) -> Dict[str, Any]:
        """What decides the records, by flag name, but for the tokenizer."""
        instances, masking = self.options.instances, self.options.masking
        settings = {
            "input_file": [
                [os.path.basename(path), size] for path, size in self.input_sizes()
            ],
            "block_bytes": self.block_bytes,
            "random_seed": self.options.random_seed,
            "model_type": instances.model_type,
            "max_seq_length": instances.max_seq_length,
            "dupe_factor": instances.dupe_factor,
            # Not in older manifests: None is what those have.
            "line_by_line": instances.line_by_line or None,
        }
        if instances.model_type != "electra":
            settings.update(
                short_seq_prob=instances.short_seq_prob,
                random_next_sentence=instances.random_next_sentence,
                max_predictions_per_seq=masking.max_predictions_per_seq,
                masked_lm_prob=masking.masked_lm_prob,
                do_whole_word_mask=masking.whole_words,
                ngram=masking.ngram,
                favor_shorter_ngram=masking.favor_shorter_ngram,
                wop_prob=masking.wop_prob,
                wop_ngram=masking.wop_ngram,
            )
        return settings

    def input_sizes(self) -> List[Tuple[str, int]]:
        """The files of the corpus with their sizes in bytes."""
        return [(path, file_size(path)) for path in self.input_files]

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns text into token ids."""
        return _tokenizer(self.config, self.vocab_file)


@functools.lru_cache(maxsize=1)
def _tokenizer(config: TokenizerConfig, vocab_file: str) -> Tokenizer:
    """Built once per process: its memory of words is what makes it fast."""
    return build_tokenizer(config, vocab_file)


def shard_name(index: int) -> str:
    """The file of the shard that is made of a block."""
    return f"pretraining-{index:05d}.tfrecord"


def is_whole(path: str, entry: Dict[str, Any]) -> bool:
    """Whether a file that a manifest lists is there and as long as it says."""
    return exists(path) and file_size(path) == entry["bytes"]
