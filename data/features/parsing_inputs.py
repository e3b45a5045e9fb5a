"""Sentences with heads and relations to token ids and labels, and arcs back to words.

The first piece of a word speaks for it, as in ``tagging_inputs``; [CLS] is the root.
"""

from typing import Any, Dict, List, Sequence, Tuple

from ..tasks.dependency_parsing import ParsedSentence
from .tagging_inputs import TaggingInput


def parsing_record(
    index: int, sentence: ParsedSentence, built: TaggingInput
) -> Dict[str, Any]:
    """Values for `records.parsing_features` of the sentence with this number.

    비가 왔다, heads 2 and 0:    tokens          [CLS] 비 ##가 왔 ##다 [SEP]
                                word_mask         0    1  0   1  0   0
                                head_positions    0    3  0   0  0   0

    A word whose head is cut off has no label.
    """
    size = len(built.input_ids)
    word_mask, head_positions, label_ids = [0] * size, [0] * size, [0] * size
    places = [0] + built.positions
    for word, position in enumerate(built.positions):
        word_mask[position] = 1
        if sentence.heads is None or sentence.relations is None:
            continue
        head = sentence.heads[word]
        if head < len(places):
            head_positions[position] = places[head]
            label_ids[position] = 1 + sentence.relations[word]
    return {
        "example_index": index,
        "num_tokens": size,
        "input_ids": built.input_ids,
        "segment_ids": [0] * size,
        "word_mask": word_mask,
        "head_positions": head_positions,
        "label_ids": label_ids,
    }


def arcs_of(
    built: TaggingInput,
    num_words: int,
    heads: Sequence[int],
    relation_ids: Sequence[int],
) -> Tuple[List[int], List[int]]:
    """Heads (from 1, 0 = root) and relations of all words.

    Args:
      built: of the sentence; words that it does not hold hang on the root.
      heads, relation_ids: for each token, of the network.
    """
    numbers = {position: word for word, position in enumerate(built.positions, 1)}
    missing = [0] * (num_words - len(built.positions))
    found = [numbers.get(int(heads[position]), 0) for position in built.positions]
    relations = [int(relation_ids[position]) for position in built.positions]
    return found + missing, relations + missing
