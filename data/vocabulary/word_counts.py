"""The words of a training text with how often each occurs, in place of its lines.

WordPiece and BPE look at nothing else, so that counts, which may come from many
machines, give the same vocabulary as the text.
"""

import collections
import io
from typing import Counter, Iterable, Iterator, List, Sequence, Tuple

from ..io.errors import InputError
from ..io.files import open_file
from .trainers import MAX_SENTENCE_BYTES, RESERVED_BY_SENTENCEPIECE
from .training_text import TextCounts, without_invisible

_WORDS_PER_LINE = 1000


class WordCounts:
    """Counts in files of "word<tab>count" lines, in which each word stands once.

    Args:
      paths: the files.
    """

    def __init__(self, paths: Sequence[str]):
        self._paths = list(paths)

    def __iter__(self) -> Iterator[Tuple[str, int]]:
        for line in self.lines_with_counts():
            word, _, count = line.partition("\t")
            yield word, int(count)

    def lines_with_counts(self) -> Iterator[str]:
        """The files' lines, as SentencePiece reads them."""
        for path in self._paths:
            try:
                with open_file(path) as raw:
                    for line in io.TextIOWrapper(raw, "utf-8", newline="\n"):
                        yield line[:-1]
            except OSError as error:
                raise InputError(f"{path} could not be read: {error}.") from error

    def lines(self) -> Iterator[str]:
        """Lines in which each word stands as often as it was counted."""
        for word, count in self:
            while count:
                repeated = min(count, _WORDS_PER_LINE)
                yield " ".join([word] * repeated)
                count -= repeated

    def text_counts(self, lines: int, sample: List[str]) -> TextCounts:
        """What `write_training_text` would have found in the text.

        Args:
          lines: how many there were.
          sample: some of them as they were.
        """
        counts = TextCounts(lines=lines, sample=sample)
        for word, count in self:
            counts.initials[word[0]] += count
            for char in word:
                counts.characters[char] += count
        return without_invisible(counts)


def count_words(lines: Iterable[str], for_sentencepiece: bool) -> Counter[str]:
    """Counts the words of training text.

    Args:
      for_sentencepiece: leaves out the lines that SentencePiece passes over as a whole:
        those too long, or with the character that stands for unknown ones.
    """
    counts: Counter[str] = collections.Counter()
    for line in lines:
        if for_sentencepiece and (
            RESERVED_BY_SENTENCEPIECE in line
            or len(line.encode("utf-8", "surrogatepass")) > MAX_SENTENCE_BYTES
        ):
            continue
        counts.update(line.split(" "))
    return counts
