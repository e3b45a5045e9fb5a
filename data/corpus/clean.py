"""Cleans a whole corpus: steps on each line, then short and repeated lines dropped.

Blocks of documents are cleaned by many processes; what depends on the order of lines
(duplicates) is decided by one, so the output does not depend on their number.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
from typing import (
    BinaryIO,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    cast,
)

import numpy as np

from ..io.errors import InputError
from ..io.files import new_file
from ..io.parallel import map_in_order
from ..io.progress import progress_bar
from ..text.cleaning import steps_named
from .dedup import SeenHashes
from .reader import Block, parse_block, read_blocks, refuse_bad_lines, refuse_empty


@dataclasses.dataclass(frozen=True)
class CleaningOptions:
    """What decides the cleaned text.

    Attributes:
      steps: names of the steps of cleaning.py, in order.
      min_chars: shorter lines are dropped, in characters after the steps.
      drop_duplicates: whether a line equal to an earlier one of the corpus is dropped.
    """

    steps: Tuple[str, ...]
    min_chars: int = 1
    drop_duplicates: bool = True


@dataclasses.dataclass
class CleaningReport:
    """How many lines each step changed or dropped.

    Attributes:
      lines, documents: read and written, blank lines not counted.
      changed: lines by step.
      too_short, duplicates, bad: lines dropped.
      hash_bytes: memory that finding duplicates took.
    """

    lines_read: int = 0
    lines_written: int = 0
    documents_read: int = 0
    documents_written: int = 0
    changed: Dict[str, int] = dataclasses.field(default_factory=dict)
    too_short: int = 0
    duplicates: int = 0
    bad: int = 0
    hash_bytes: int = 0

    def add(self, other: "CleaningReport") -> None:
        """Adds the counts of another part of the corpus."""
        for field in dataclasses.fields(self):
            if field.name != "changed":
                total = getattr(self, field.name) + getattr(other, field.name)
                setattr(self, field.name, total)
        for step, count in other.changed.items():
            self.changed[step] = self.changed.get(step, 0) + count

    def table(self) -> str:
        """The report as lines of text."""
        rows = [("lines read", self.lines_read)]
        rows += [(f"changed by {step}", count) for step, count in self.changed.items()]
        rows += [
            ("dropped: too short", self.too_short),
            ("dropped: duplicates", self.duplicates),
            ("dropped: bad lines", self.bad),
            ("lines written", self.lines_written),
            ("documents read", self.documents_read),
            ("documents written", self.documents_written),
        ]
        text = "\n".join(f"{name:<24}{count:>14,}" for name, count in rows)
        per_million = self.hash_bytes / max(self.lines_written, 1)
        return (
            f"{text}\nFinding duplicates took {self.hash_bytes / 1e6:.1f} MB, "
            f"{per_million:.1f} MB of memory per million lines written."
        )


class CleanedBlock(NamedTuple):
    """The lines that are left of a block, repeated ones among them."""

    documents: List[List[str]]
    hashes: np.ndarray  # uint64, one for each line of the documents
    lines_read: int
    documents_read: int
    changed: Dict[str, int]
    too_short: int
    problems: List[str]
    read: int  # bytes of the corpus


def clean_block(block: Block, options: CleaningOptions) -> CleanedBlock:
    """The lines of a block after all steps, those too short left out."""
    parsed = parse_block(block)
    steps = steps_named(options.steps)
    changed = dict.fromkeys(options.steps, 0)
    documents, lines_read = [], 0
    for sentences in parsed.documents:
        document = []
        for text in sentences:
            for step in steps:
                before, text = text, step.clean(text)
                changed[step.name] += text != before
            if text and len(text) >= options.min_chars:
                document.append(text)
        lines_read += len(sentences)
        documents.append(document)
    kept = sum(map(len, documents))
    return CleanedBlock(
        documents,
        _hashes(documents),
        lines_read,
        len(parsed.documents),
        changed,
        lines_read - kept,
        parsed.problems,
        block.read,
    )


def _hashes(documents):
    digests = b"".join(
        hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for document in documents
        for line in document
    )
    return np.frombuffer(digests, dtype="<u8")


@contextlib.contextmanager
def new_text_file(path: str, overwrite: bool) -> Iterator[BinaryIO]:
    """`new_file`, compressed (the same text to the same bytes) if the name is *.gz."""
    with new_file(path, overwrite) as stream:
        if not path.endswith(".gz"):
            yield stream
            return
        with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def clean_corpus(
    paths: Sequence[str],
    output: str,
    options: CleaningOptions,
    num_processes: int = 1,
    max_bad_rows: int = 0,
    overwrite: bool = False,
) -> CleaningReport:
    """Writes the cleaned corpus: one line each, a blank line between documents.

    Args:
      paths: text files, plain or .gz.
      output: the file to write, compressed if it ends in .gz; it gets its name when it
        is whole.
      options: what decides the text.
      num_processes: worker processes.
      max_bad_rows: lines that may be left out (not UTF-8, too long).
      overwrite: whether `output` may be replaced.
    Raises:
      InputError: a file cannot be read or written, too many bad lines, no text left.
    """
    report = CleaningReport(changed=dict.fromkeys(options.steps, 0))
    seen = SeenHashes()
    blocks = read_blocks(paths)
    with new_text_file(output, overwrite) as stream, progress_bar(paths) as bar:
        work = functools.partial(clean_block, options=options)
        for cleaned in map_in_order(work, blocks, num_processes):
            for problem in cleaned.problems:
                report.bad += 1
                refuse_bad_lines(report.bad, problem, max_bad_rows)
            is_new = seen.add(cleaned.hashes) if options.drop_duplicates else None
            write_block(cleaned, is_new, stream, report)
            bar.update(cleaned.read)
        refuse_nothing(report, paths, options)
    report.hash_bytes = seen.nbytes
    return report


def refuse_nothing(
    report: CleaningReport, paths: Sequence[str], options: CleaningOptions
) -> None:
    """Raises InputError if no line was read, or none is left."""
    if not report.lines_read:
        refuse_empty(paths)
    if not report.lines_written:
        raise InputError(
            f"None of the {report.lines_read} lines of {', '.join(paths)} is left: "
            f"{report.too_short} have fewer than {options.min_chars} characters. "
            "Lower --min_chars or choose other steps."
        )


def write_block(
    cleaned: CleanedBlock,
    is_new: Optional[np.ndarray],
    stream: BinaryIO,
    report: CleaningReport,
) -> None:
    """Writes the lines of a block after those that `report` counts.

    Args:
      is_new: bool, for each line whether none before it is equal; None = all stay.
      report: what is written is added to it.
    """
    position = 0
    for document in cleaned.documents:
        end = position + len(document)
        if is_new is not None:
            document = [
                line for line, new in zip(document, is_new[position:end]) if new
            ]
        report.duplicates += end - position - len(document)
        position = end
        if document:
            blank = "\n" if report.documents_written else ""
            stream.write((blank + "\n".join(document) + "\n").encode("utf-8"))
            report.documents_written += 1
            report.lines_written += len(document)
    report.lines_read += cleaned.lines_read
    report.documents_read += cleaned.documents_read
    report.too_short += cleaned.too_short
    for step, count in cleaned.changed.items():
        report.changed[step] += count
