"""The objects of a JSON list as the rows of a table, as KLUE's files are.

``{"guid": "a", "labels": {"label": 3.7}}`` has the columns "guid" and "labels.label".
Entities that an object describes can be marked in its text.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..io.json_files import read_json_list
from ..io.tables import BadRows, ReadingOptions, is_text
from .declarations import Layout

_SHOWN_CHARS = 40


class Record(NamedTuple):
    """One object: its place ("object 3"), and its values by (dotted) names."""

    place: str
    values: Dict[str, Any]


class JsonRow(NamedTuple):
    """The texts of an object, marked; ``example_id`` is "" where it has none."""

    example_id: str
    texts: Tuple[str, ...]
    label: Optional[str]


def read_records(
    path: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[Record]:
    """The objects of a list in order; anything else in it is a bad row.

    Raises:
      InputError: as ``read_json_list``.
    """
    for number, value in enumerate(read_json_list(path, options), 1):
        place = f"object {number}"
        if isinstance(value, dict):
            yield Record(place, dict(_flat(value)))
        else:
            bad_rows.skip_at(place, f"a {type(value).__name__}, expected an object.")


def _flat(record: Dict[str, Any], prefix: str = "") -> Iterator[Tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def row_of(
    record: Record, layout: Layout, max_chars: int, bad_rows: BadRows
) -> Optional[JsonRow]:
    """What a layout takes of an object; None, and a bad row, if it cannot."""
    texts = []
    for name in layout.texts():
        text = record.values.get(name)
        if not isinstance(text, str) or not is_text(text) or len(text) > max_chars:
            shown = str(text)[:_SHOWN_CHARS]
            bad_rows.skip_at(
                record.place,
                f"'{name}' is {shown!r}, expected text of at most {max_chars:,} "
                "characters.",
            )
            return None
        texts.append(text)
    try:
        places = {key: _place_of(record, key, texts[0]) for key, _ in layout.entities}
    except ValueError as error:
        bad_rows.skip_at(record.place, str(error))
        return None
    for key, (start, end) in places.items():
        _check_word(record, key, texts[0][start:end], bad_rows)
    marked = [(places[key], marker) for key, marker in layout.entities]
    label = record.values.get(layout.label)
    return JsonRow(
        str(record.values.get(layout.example_id or "", "")),
        (mark(texts[0], marked), *texts[1:]),
        None if label is None else str(label),
    )


def _place_of(record: Record, key: str, text: str) -> Tuple[int, int]:
    """(start, end) in characters, end exclusive; KLUE's ``end_idx`` is inclusive."""
    place = [record.values.get(f"{key}.{name}") for name in ("start_idx", "end_idx")]
    if not all(type(value) is int for value in place):
        raise ValueError(f"'{key}' lacks start_idx or end_idx, expected whole numbers.")
    start, last = place
    if not 0 <= start <= last < len(text):
        raise ValueError(
            f"'{key}' is at {start} to {last} of a text of {len(text)} characters."
        )
    return start, last + 1


def _check_word(record: Record, key: str, found: str, bad_rows: BadRows) -> None:
    """Tells of an entity whose word is not what stands at its place."""
    word = record.values.get(f"{key}.word", found)
    if word != found:
        bad_rows.doubt(
            f"{record.place}: '{key}' is '{str(word)[:_SHOWN_CHARS]}', but its place "
            f"has '{found[:_SHOWN_CHARS]}'"
        )


def mark(text: str, places: List[Tuple[Tuple[int, int], str]]) -> str:
    """The text with entities between markers.

    "비틀즈의 조지" with (0, 3) as subj and (5, 7) as obj:
    "<subj>비틀즈</subj>의 <obj>조지</obj>".
    """
    inserted = []
    for (start, end), marker in places:
        # At one place what ends comes first, and the longer entity is outside.
        inserted.append((start, 1, -end, f"<{marker}>"))
        inserted.append((end, 0, -start, f"</{marker}>"))
    parts, done = [], 0
    for position, _, _, tag in sorted(inserted):
        parts += [text[done:position], tag]
        done = position
    return "".join(parts) + text[done:]
