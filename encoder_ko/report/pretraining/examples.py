"""Records as the page shows them: what was hidden, guessed, replaced and suspected.

Letters: B records, S tokens, P predicted positions, K guesses.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from data.tokenization import Tokenizer
from encoder_ko.report.content import count_and_share

GUESSES = 5
_SUSPECTED = 0.5

# Objective -> what is done to its tokens, and its prediction of the two classes.
_HIDDEN = {"masked_lm": "masked", "wop": "moved"}
_SENTENCES = {
    "next_sentence": ("next sentence", ("is the next one", "is a random one")),
    "sentence_order": ("sentences", ("in their order", "swapped")),
}
LEGEND = (
    ("right", "the best guess is right"),
    ("missed", "it is another one, which stands below"),
)
MOVED_LEGEND = (("moved", "moved to another place, not masked"),)
DISCRIMINATOR_LEGEND = (
    ("right", "replaced, and found"),
    ("missed", "replaced, not noticed"),
    ("spurious", "original, taken for replaced"),
)


class Hidden(NamedTuple):
    """A token to be predicted.

    Attributes:
      number: as in the text. kind: "masked" or "moved".
      piece: what belongs there. seen: what the network read there.
      percent: the probability it got. is_right: whether it is the best guess.
      guesses: piece, percent, whether it is the right one.
      sampled: what the generator put there; "" without one.
    """

    number: int
    kind: str
    piece: str
    seen: str
    percent: str
    is_right: bool
    guesses: Sequence[Tuple[str, str, bool]]
    sampled: str


class Shown(NamedTuple):
    """A record of the page.

    Attributes:
      title: "Record 1". facts: (name, value).
      text: (words, style, number, best guess); 0 = nothing is predicted there.
      hidden: of Hidden, by their numbers.
      tokens: what the discriminator read: (piece, original one or "", percent, style).
    """

    title: str
    facts: Sequence[Tuple[str, str]]
    text: Sequence[Tuple[str, str, int, str]]
    hidden: Sequence[Hidden]
    tokens: Sequence[Tuple[str, str, str, str]]


def shown_records(tokenizer: Tokenizer, found: Dict[str, np.ndarray]) -> List[Shown]:
    """The records of `pretraining.inspection.inspect`."""
    count = len(found["input_mask"])
    return [_shown(tokenizer, found, row) for row in range(count)]


def _shown(tokenizer, found, row) -> Shown:
    length = int(found["input_mask"][row].sum())
    pieces = _Pieces(tokenizer)
    targets = _targets(found, row)
    original = _originals(found, row, targets)
    hidden = {}
    for number, (position, (name, slot)) in enumerate(sorted(targets.items()), 1):
        hidden[position] = _hidden(pieces, found, row, name, slot, number)
    facts = [("tokens", str(length))]
    facts += _counted(hidden.values())
    tokens = []
    if "disc_probabilities" in found:
        tokens = _judged(pieces, found, row, original, length)
        replaced = [style for _, before, _, style in tokens if before]
        facts.append(("replaced", str(len(replaced))))
        facts.append(("found", str(replaced.count("right"))))
    facts += [_sentence_fact(found, row, name) for name in _SENTENCES
              if name + "_classes" in found]  # fmt: skip
    return Shown(
        f"Record {row + 1}",
        facts,
        _text(pieces, original[:length], hidden),
        list(hidden.values()),
        tokens,
    )


class _Pieces:
    """Pieces as readers know them, without the signs of their algorithm."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer

    def __getitem__(self, index: int) -> str:
        """Ids beyond the vocabulary are rows of the table that no piece has."""
        if index >= self._tokenizer.vocab_size:
            return f"[id {index}]"
        piece = self._tokenizer.vocabulary.pieces[index]
        if self.continues(index) and piece.startswith("##") and len(piece) > 2:
            return piece[2:]
        return piece.lstrip("\u2581") or piece

    def continues(self, index: int) -> bool:
        known = self._tokenizer.is_continuation
        return index < len(known) and bool(known[index])

    def is_special(self, index: int) -> bool:
        return index in self._tokenizer.special_ids


def _targets(found, row) -> Dict[int, Tuple[str, int]]:
    """Position -> (objective, its slot); a position drawn twice counts once."""
    targets = {}
    for name in _HIDDEN:
        if name + "_positions" in found:
            for slot in np.flatnonzero(found[name + "_weights"][row]):
                position = int(found[name + "_positions"][row, slot])
                targets.setdefault(position, (name, int(slot)))
    return targets


def _originals(found, row, targets) -> np.ndarray:
    """int [S]: the tokens before they were masked and moved."""
    original = found["masked_lm_input_ids"][row].copy()
    for position, (name, slot) in targets.items():
        original[position] = found[name + "_ids"][row, slot]
    return original


def _hidden(pieces, found, row, name, slot, number) -> Hidden:
    right = int(found[name + "_ids"][row, slot])
    position = int(found[name + "_positions"][row, slot])
    seen = int(found["masked_lm_input_ids"][row, position])
    guesses = []
    if name + "_guesses" in found:
        tokens = found[name + "_guesses"][row, slot]
        shares = found[name + "_guess_probabilities"][row, slot]
        guesses = [
            (pieces[token], percent(share), token == right)
            for token, share in zip(tokens.tolist(), shares.tolist())
        ]
    sampled = ""
    if "disc_input_ids" in found:
        sampled = pieces[int(found["disc_input_ids"][row, position])]
    return Hidden(
        number,
        _HIDDEN[name],
        pieces[right],
        "as it is" if seen == right else pieces[seen],
        percent(float(np.exp(-found[name + "_losses"][row, slot]))),
        int(found[name + "_predictions"][row, slot]) == right,
        guesses,
        sampled,
    )


def _counted(hidden) -> List[Tuple[str, str]]:
    facts = []
    for kind in _HIDDEN.values():
        chosen = [each for each in hidden if each.kind == kind]
        if chosen:
            right = sum(each.is_right for each in chosen)
            facts.append((kind, f"{len(chosen)}, {right} right at once"))
    return facts


def _sentence_fact(found, row, name) -> Tuple[str, str]:
    title, classes = _SENTENCES[name]
    right = int(found[name + "_labels"][row])
    guess = int(found[name + "_classes"][row])
    sure = percent(float(found[name + "_probabilities"][row, guess]))
    words = "right" if guess == right else f"wrong: “{classes[guess]}”"
    return title, f"{classes[right]} ({words}, {sure})"


def _text(pieces, ids, hidden) -> List[Tuple[str, str, int, str]]:
    """Stretches of plain text, and each hidden piece for itself."""
    found = []
    for position, index in enumerate(ids.tolist()):
        gap = "" if pieces.continues(index) or not position else " "
        if gap and found and not found[-1][1]:
            found[-1][0] += gap
        elif gap:
            found.append([gap, "", 0, ""])
        each = hidden.get(position)
        if each:
            guess = each.guesses[0][0] if each.guesses else ""
            style = "right" if each.is_right else "missed"
            style += " moved" if each.kind == _HIDDEN["wop"] else ""
            found.append(
                [each.piece, style, each.number, "" if each.is_right else guess]
            )
        elif pieces.is_special(index):
            found.append([pieces[index], "special", 0, ""])
        elif found and not found[-1][1]:
            found[-1][0] += pieces[index]
        else:
            found.append([pieces[index], "", 0, ""])
    return [tuple(each) for each in found]


def _judged(pieces, found, row, original, length):
    tokens = []
    read = found["disc_input_ids"][row]
    for position in range(length):
        share = float(found["disc_probabilities"][row, position])
        is_replaced = bool(found["disc_labels"][row, position])
        is_suspected = share >= _SUSPECTED
        style = "spurious" if is_suspected else ""
        if is_replaced:
            style = "right" if is_suspected else "missed"
        before = pieces[int(original[position])] if is_replaced else ""
        tokens.append((pieces[int(read[position])], before, percent(share), style))
    return tokens


def legend(records: Sequence[Shown]) -> Sequence[Tuple[str, str]]:
    """Style -> what it says of a hidden token."""
    is_moved = any(e.kind == _HIDDEN["wop"] for r in records for e in r.hidden)
    return LEGEND + MOVED_LEGEND * is_moved


def percent(share: float) -> str:
    """ "0.1%", "43%"; below 0.05% "0%"."""
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.1f}%"


def summary(records: Sequence[Shown]) -> List[Tuple[str, str]]:
    """Counts over all records of the page."""
    rows = []
    for kind in _HIDDEN.values():
        chosen = [each for r in records for each in r.hidden if each.kind == kind]
        if chosen:
            first = sum(each.is_right for each in chosen)
            listed = sum(any(g[2] for g in each.guesses) for each in chosen)
            rows.append((f"{kind} tokens", f"{len(chosen):,}"))
            rows.append((f"{kind}, right at once", count_and_share(first, len(chosen))))
            if any(each.guesses for each in chosen):
                best = count_and_share(listed, len(chosen))
                rows.append((f"{kind}, among the {GUESSES} best guesses", best))
    styles = [(before, style) for r in records for _, before, _, style in r.tokens]
    if styles:
        replaced = [style for before, style in styles if before]
        others = [style for before, style in styles if not before]
        found = count_and_share(replaced.count("right"), len(replaced))
        wrong = count_and_share(others.count("spurious"), len(others))
        rows.append(("replaced tokens", f"{len(replaced):,}"))
        rows.append(("replaced, found", found))
        rows.append(("originals taken for replaced", wrong))
    return rows
