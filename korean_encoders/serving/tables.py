"""Files of texts as they are uploaded, and their predictions as lines."""

import io
import itertools
from typing import AsyncIterator, List, NamedTuple, Optional, Sequence

from data.features.prediction_input import Item, items_of_stream
from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions
from encoder_ko.inference.output_lines import OutputLines
from encoder_ko.inference.predictor import Text
from korean_encoders.serving.batching import Batcher
from korean_encoders.serving.runs import ServedRun

INPUT_FORMATS = ("text", "tsv", "csv", "jsonl")
TEXTS_AT_A_TIME = 256  # in the queue, of a file


class UploadedFile(NamedTuple):
    """The texts of a file.

    Attributes:
      items: see Item. texts: of each, as the predictor takes them.
      skipped: what was passed over, in one line; "" if nothing.
    """

    items: Sequence[Item]
    texts: Sequence[Text]
    skipped: str


def read_upload(
    content: bytes,
    run: ServedRun,
    form: str,
    columns: Sequence[str],
    reading: ReadingOptions,
) -> UploadedFile:
    """Reads all of a file before anything of it is predicted.

    Args:
      form: one of INPUT_FORMATS. columns: see `read_items`.

    Raises:
      InputError: as `read_items`; a text that the run cannot predict; no text.
    """
    bad_rows = BadRows("The file", reading.max_bad_rows)
    stream = io.BytesIO(content)
    if columns and form not in ("tsv", "csv"):
        raise InputError(
            f"columns={','.join(columns)} is for tables: pass input_format=tsv or csv."
        )
    items = list(items_of_stream(stream, form, columns, reading, bad_rows, True))
    if not items:
        raise InputError("The file holds no text.")
    texts: List[Text] = []
    for item in items:
        text = item.text if item.text_b is None else (item.text, item.text_b)
        problem = run.predictor.problem_of(text)
        if problem:
            raise InputError(f"{item.place}: {problem}. {_advice(run)}")
        texts.append(text)
    return UploadedFile(items, texts, bad_rows.summary())


def _advice(run: ServedRun) -> str:
    if run.predictor.task.is_pair:
        return "Name the two columns of a table: columns=text,text_b."
    return "Name the column of the texts: columns=text."


async def predicted_lines(
    upload: UploadedFile, run: ServedRun, batcher: Batcher, form: str
) -> AsyncIterator[str]:
    """What predict.py writes of the file, in parts of whole lines."""
    lines = OutputLines(run.predictor.task, form)
    pairs = iter(zip(upload.items, upload.texts))
    while True:
        block = list(itertools.islice(pairs, TEXTS_AT_A_TIME))
        if not block:
            return
        found = await batcher.predict([text for _, text in block])
        for_items = zip((item for item, _ in block), found)
        written = [line for pair in for_items for line in lines.of(*pair)]
        yield "".join(line + "\n" for line in written)


def listed(columns: Optional[str]) -> List[str]:
    """ "a, b" -> ["a", "b"]."""
    return [name.strip() for name in (columns or "").split(",") if name.strip()]
