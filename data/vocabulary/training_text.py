"""A corpus as the lines that a vocabulary is trained on.

The lines are exactly what the tokenizer will see at run time: the same cleaning,
morphemes, case and punctuation rules. Where morphemes shape the vocabulary only
(KR-ELECTRA), a mark stands before each morpheme that goes on within a word, so that a
trainer makes no piece across it.
"""

import collections
import dataclasses
import functools
import hashlib
import random
from typing import Any, Counter, Iterator, List, NamedTuple, Optional, Sequence, TextIO

from ..corpus.reader import (
    Block,
    parse_block,
    read_blocks,
    refuse_bad_lines,
    refuse_empty,
)
from ..io.parallel import map_in_order
from ..io.progress import progress_bar
from ..text.aligned_text import AlignedText
from ..text.cleaning import clean, clean_aligned
from ..tokenization import TokenizerConfig
from ..tokenization.interface import first_steps, pattern_of
from ..tokenization.morpheme import MorphemeAnalyser
from ..tokenization.normalisation import Normaliser

MORPHEME_MARK = "\ue000"

SAMPLE_LINES = 10000


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """Which text a vocabulary is trained on.

    Attributes:
      config: settings of the tokenizer.
      line_share: share of the lines that is used, picked by their hash.
    """

    config: TokenizerConfig
    line_share: float = 1.0


@dataclasses.dataclass
class TextCounts:
    """What was found in a corpus.

    Attributes:
      lines: lines used.
      characters: occurrences of each character, spaces and marks left out.
      initials: the same at the beginning of words.
      sample: up to 10,000 lines of the corpus as they were, spread over it.
    """

    lines: int = 0
    characters: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    initials: Counter[str] = dataclasses.field(default_factory=collections.Counter)
    sample: List[str] = dataclasses.field(default_factory=list)


class LinePreparer:
    """Text to a line of training text.

    Example (mecab, morphemes="vocabulary", the mark written as |): ``"영화는 좋다!"``
    -> ``"영화 |는 좋 |다 !"``; with morphemes="run_time" ``"영화 는 좋 다 !"``.
    """

    def __init__(self, config: TokenizerConfig):
        self._added = pattern_of(config.added_tokens)
        self._steps = first_steps(config)
        self._is_wordpiece = config.algorithm == "wordpiece"
        if self._is_wordpiece:
            self._rules: Any = Normaliser(config)
        else:
            from ..tokenization.sentencepiece import Preparation

            self._rules = Preparation(config)
        self._analyser: Optional[MorphemeAnalyser] = None
        if config.morphemes == "vocabulary" and config.morpheme_analyser:
            self._analyser = MorphemeAnalyser(config.morpheme_analyser)

    def prepare(self, text: str) -> str:
        """One line of the corpus -> one line of training text, perhaps empty."""
        text = text.replace(MORPHEME_MARK, " ")
        if self._added:
            text = self._added.sub(" ", text)
        if self._analyser is None:
            text = self._rules.normalise(clean(text, self._steps))
        else:
            text = self._marked(text, self._analyser)
        return " ".join(text.split())

    def _marked(self, text: str, analyser: MorphemeAnalyser) -> str:
        aligned = clean_aligned(AlignedText.of(text), self._steps)
        aligned = self._rules.normalise_aligned(aligned)
        cuts = set(analyser.cuts(text))
        mark = " " + MORPHEME_MARK if self._is_wordpiece else MORPHEME_MARK
        chars = []
        before, previous_start = " ", -1
        for char, start, _ in zip(*aligned):
            is_cut = start in cuts and start != previous_start
            if is_cut and not (char.isspace() or before.isspace()):
                chars.append(mark)
            chars.append(char)
            before, previous_start = char, start
        return "".join(chars)


class _PreparedBlock(NamedTuple):
    lines: List[str]
    characters: Counter[str]
    initials: Counter[str]
    raw: List[str]
    problems: List[str]
    read: int  # bytes of the corpus


@functools.lru_cache(maxsize=1)
def _preparer(config: TokenizerConfig) -> LinePreparer:
    return LinePreparer(config)


def prepare_block(block: Block, options: TextOptions) -> _PreparedBlock:
    """The lines of a block as training text, with the counts of their characters."""
    parsed = parse_block(block)
    raw = [line for document in parsed.documents for line in document]
    raw = [line for line in raw if _is_picked(line, options.line_share)]
    prepare = _preparer(options.config).prepare
    lines = [line for line in map(prepare, raw) if line]
    characters: Counter[str] = collections.Counter()
    initials: Counter[str] = collections.Counter()
    for line in lines:
        characters.update(line)
        initials.update(word[0] for word in line.split(" "))
    return _PreparedBlock(lines, characters, initials, raw, parsed.problems, block.read)


class Sample:
    """Lines of a text of any length, each with the same chance; at most `size`."""

    def __init__(self, size: int):
        self.lines: List[str] = []
        self._size, self._share, self._random = size, 1.0, random.Random(0)

    def add(self, lines: Sequence[str]) -> None:
        """Goes on with the text; half of what there is goes when it is too much."""
        self.lines += self._picked(lines, self._share)
        while len(self.lines) > self._size:
            self.lines[:] = self._picked(self.lines, 0.5)
            self._share /= 2

    def _picked(self, lines, share):
        return [line for line in lines if self._random.random() < share]


def _is_picked(line, share):
    if share >= 1:
        return True
    digest = hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=4)
    return int.from_bytes(digest.digest(), "big") < share * (1 << 32)


def write_training_text(
    paths: Sequence[str],
    options: TextOptions,
    stream: TextIO,
    num_processes: int = 1,
    max_bad_rows: int = 0,
) -> TextCounts:
    """Writes the training text of a corpus, one line each.

    Args:
      paths: text files, plain or .gz.
      options: which text.
      stream: where it is written.
      num_processes: worker processes.
      max_bad_rows: lines that may be left out (not UTF-8, too long).
    Raises:
      InputError: a file cannot be read, too many bad lines, no text.
    """
    sample = Sample(SAMPLE_LINES)
    counts = TextCounts(sample=sample.lines)
    bad = 0
    work = functools.partial(prepare_block, options=options)
    blocks = read_blocks(paths)
    with progress_bar(paths) as bar:
        for prepared in map_in_order(work, blocks, num_processes):
            for problem in prepared.problems:
                bad += 1
                refuse_bad_lines(bad, problem, max_bad_rows)
            stream.writelines(line + "\n" for line in prepared.lines)
            counts.lines += len(prepared.lines)
            counts.characters.update(prepared.characters)
            counts.initials.update(prepared.initials)
            sample.add(prepared.raw)
            bar.update(prepared.read)
    if not counts.lines:
        refuse_empty(paths)
    return without_invisible(counts)


def without_invisible(counts: TextCounts) -> TextCounts:
    """Drops what stands between words and morphemes from the counts."""
    for invisible in (" ", MORPHEME_MARK):
        counts.characters.pop(invisible, None)
        counts.initials.pop(invisible, None)
    return counts


def read_lines(stream: TextIO) -> Iterator[str]:
    """The lines of a training text from its beginning, without line ends."""
    stream.seek(0)
    for line in stream:
        yield line[:-1]
