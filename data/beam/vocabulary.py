"""The text of a vocabulary counted on Apache Beam; one machine merges its pieces.

Each word belongs to a partition, of which one worker writes the counts to a file.
"""

import collections
import random
import zlib
from typing import Any, Counter, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

from ..corpus.plan import PlannedBlock, load_block
from ..corpus.reader import DEFAULT_BLOCK_BYTES, refuse_bad_lines, refuse_empty
from ..io.files import file_size, new_file
from ..io.owned_folder import OwnedFolder
from ..vocabulary.training_text import SAMPLE_LINES, Sample, TextOptions, prepare_block
from ..vocabulary.word_counts import WordCounts, count_words
from .corpus import RESULTS_NAME, collect, planned_blocks
from .runner import BeamRunner

COUNTS_PATTERN = "words-*.tsv"
# Different words grow more slowly than the text: four times as much of it has about
# twice as many partitions.
_BYTES_OF_ONE_PARTITION = 1 << 26
_BYTES_PER_LINE = 256  # more than most lines have: the sample is cut to its size later


class _Work(NamedTuple):
    """What decides the counts of a block."""

    options: TextOptions
    partitions: int
    sample_share: float
    max_bad_rows: int


class CountedText(NamedTuple):
    """What is known of a training text that no machine has as a whole."""

    words: WordCounts
    lines: int
    sample: List[str]  # up to 10,000 lines of the corpus as they were


def count_text_on(
    runner: BeamRunner,
    paths: Sequence[str],
    options: TextOptions,
    folder: OwnedFolder,
    max_bad_rows: int = 0,
) -> CountedText:
    """Counts the words of a corpus's training text where `runner` says.

    Args:
      paths, options, max_bad_rows: as in `training_text.write_training_text`.
      folder: a `work_folder` with `COUNTS_PATTERN`, needed as long as the result is.

    Raises:
      InputError: a file cannot be read, too many bad lines, no text; the pipeline
        failed.
    """
    size = sum(map(file_size, paths))
    work = _Work(
        options=options,
        partitions=1 + int((size / _BYTES_OF_ONE_PARTITION) ** 0.5),
        sample_share=min(1.0, SAMPLE_LINES * _BYTES_PER_LINE / max(size, 1)),
        max_bad_rows=max_bad_rows,
    )

    def construct(pipeline: Any) -> None:
        import apache_beam as beam

        blocks = planned_blocks(pipeline, paths, DEFAULT_BLOCK_BYTES, folder)
        found = blocks | "Count words" >> beam.FlatMap(_count, work).with_outputs(
            "blocks", main="words"
        )
        _ = (
            found.words
            | "Add counts" >> beam.CombinePerKey(_sum)
            | "Write counts" >> beam.Map(_write_counts, folder)
        )
        collect(found.blocks, folder)

    runner.run(construct)
    return _counted(paths, folder, max_bad_rows)


def _counted(
    paths: Sequence[str], folder: OwnedFolder, max_bad_rows: int
) -> CountedText:
    sample, lines, bad = Sample(SAMPLE_LINES), 0, 0
    for _, count, picked, problems in sorted(folder.required_json_list(RESULTS_NAME)):
        for problem in problems:
            bad += 1
            refuse_bad_lines(bad, problem, max_bad_rows)
        lines += count
        sample.add(picked)
    if not lines:
        refuse_empty(paths)
    return CountedText(WordCounts(folder.files([COUNTS_PATTERN])), lines, sample.lines)


def _count(planned: PlannedBlock, work: _Work) -> Iterator[Any]:
    """(partition, counts of its words in a block); one more output of the block."""
    from apache_beam.pvalue import TaggedOutput

    prepared = prepare_block(load_block(planned), work.options)
    for number, problem in enumerate(prepared.problems, 1):
        refuse_bad_lines(number, problem, work.max_bad_rows)
    is_sentencepiece = work.options.config.algorithm == "sentencepiece"
    parts = [collections.Counter() for _ in range(work.partitions)]  # type: List[Counter]
    for word, count in count_words(prepared.lines, is_sentencepiece).items():
        parts[_partition(word, work.partitions)][word] = count
    for number, counts in enumerate(parts):
        if counts:
            yield number, counts
    generator = random.Random(planned.index)
    picked = [raw for raw in prepared.raw if generator.random() < work.sample_share]
    result = [planned.index, len(prepared.lines), picked, prepared.problems]
    yield TaggedOutput("blocks", result)


def _partition(word: str, partitions: int) -> int:
    """The same on every machine, which Python's hash is not."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass")) % partitions


def _sum(counts: Iterable[Counter]) -> Counter:
    total: Counter = collections.Counter()
    for each in counts:
        total.update(each)
    return total


def _write_counts(partition: Tuple[int, Counter], folder: OwnedFolder) -> None:
    number, counts = partition
    path = folder(f"words-{number:05d}.tsv")
    with new_file(path, overwrite=True) as stream:
        for word, count in sorted(counts.items()):
            stream.write(f"{word}\t{count}\n".encode())
