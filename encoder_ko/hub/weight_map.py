"""Tables of variable names: in a TensorFlow checkpoint and in a Hugging Face model.

A table (`*_ko/hugging_face.py`) is a list of `Pair`s for each part of a model.
Everything else follows from it: which parts a file has, which Hugging Face class that
makes, the tensors in the other form, and what is left over.
"""

import itertools
import re
import string
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from data.io.errors import InputError
from encoder_ko.training import checkpoints

Tensors = Dict[str, np.ndarray]

TASK = "task"


class Pair(NamedTuple):
    """One tensor under its two names.

    Attributes:
      tf, hf: the names, with placeholders such as {layer} that both have.
      shape: a letter for each axis of the TensorFlow variable: V vocabulary, P
        positions, T token types, E embedding width, H hidden width, I feed-forward
        width, L labels, or the digit itself.
      transposed: whether Hugging Face has the axes the other way round.
    """

    tf: str
    hf: str
    shape: str
    transposed: bool = False

    def across(self, tensor: np.ndarray) -> np.ndarray:
        """The tensor in the other form, contiguous."""
        return np.ascontiguousarray(tensor.T) if self.transposed else tensor

    def fill(self, values: Mapping[str, Any]) -> "Pair":
        """The pair with its placeholders filled in."""
        return self._replace(tf=self.tf.format(**values), hf=self.hf.format(**values))


def dense(tf: str, hf: str, shape: str) -> List[Pair]:
    """kernel [in, out] and bias [out]; Hugging Face has weight [out, in]."""
    return [
        Pair(tf + "/kernel", hf + ".weight", shape, transposed=True),
        Pair(tf + "/bias", hf + ".bias", shape[1]),
    ]


def norm(tf: str, hf: str, shape: str) -> List[Pair]:
    """gamma and beta of a layer norm."""
    return [
        Pair(tf + "/gamma", hf + ".weight", shape),
        Pair(tf + "/beta", hf + ".bias", shape),
    ]


def output_layer(tf: str, hf: str, labels: str = "L") -> List[Pair]:
    """output_weights [labels, H] and output_bias, as BERT's and ALBERT's heads."""
    return [
        Pair(tf + "output_weights", hf + ".weight", labels + "H"),
        Pair(tf + "output_bias", hf + ".bias", labels),
    ]


class Architecture(NamedTuple):
    """A Hugging Face class and the parts it is made of.

    Attributes:
      name: of the class, as in config.json.
      head_type: what the head is for: "pretraining", "masked_lm", "classification",
        "tagging", "question_answering", "encoder", ...
      parts: names of parts that it must have.
      may_have: parts that it carries along, such as a pooler it does not use.
    """

    name: str
    head_type: str
    parts: Tuple[str, ...]
    may_have: Tuple[str, ...] = ()


def _same(tensors, config):
    del config
    return tensors


def _plain_scores(tensors, lowest, highest):
    del lowest, highest
    return tensors


def _own_config(config, variables):
    del variables
    return config


class ModelNames(NamedTuple):
    """The table of one model.

    Attributes:
      model_type: as in config.json.
      config_class: EncoderConfig of the sibling.
      base_prefix: what a file of the encoder alone leaves out of its names.
      parts: name -> pairs.
      architectures: the first that fits is meant.
      placeholders: EncoderConfig -> placeholder -> count.
      adapters: parts between embeddings and layers of other widths.
      needs: EncoderConfig -> parts that every architecture of that configuration has.
      copies: Hugging Face names of tied tensors -> the name of the original.
      folder: where it goes when a checkpoint holds several networks.
      owns: regular expression of its variables in such a checkpoint; "" = all.
      is_in: names of variables -> whether a checkpoint of these has the network; None =
        if it has some that no other network owns.
      marks: keys of config.json that tell its classes from those of another table.
      config_file: name of its configuration in the TensorFlow form.
      config_of: (configuration of the run, variables) -> EncoderConfig of the network.
      complete: (Hugging Face tensors, config) -> the tensors that the classes want,
        where that is more than the pairs give.
      reduce: the way back.
      scores: (Hugging Face tensors of a regression, lowest, highest score) -> tensors
        whose output is a score.
      score_range: (Hugging Face tensors of a regression) -> lowest and highest score,
        where `reduce` takes them out of the tensors.
    """

    model_type: str
    config_class: Any
    base_prefix: str
    parts: Dict[str, Sequence[Pair]]
    architectures: Sequence[Architecture]
    placeholders: Callable[[Any], Dict[str, int]]
    copies: Dict[str, str]
    adapters: Tuple[str, ...] = ()
    needs: Callable[[Any], Tuple[str, ...]] = lambda config: ()
    folder: str = ""
    owns: str = ""
    is_in: Optional[Callable[[Iterable[str]], bool]] = None
    marks: Mapping[str, Any] = {}
    config_file: str = "{model_type}_config.json"
    config_of: Callable[[Any, Mapping[str, np.ndarray]], Any] = _own_config
    complete: Callable[[Tensors, Any], Tensors] = _same
    reduce: Callable[[Tensors, Any], Tensors] = _same
    scores: Callable[[Tensors, float, float], Tensors] = _plain_scores
    score_range: Callable[[Tensors], Tuple[float, float]] = lambda tensors: (0.0, 1.0)

    def architecture(self, name: str) -> Architecture:
        """The architecture with the class name `name`."""
        for architecture in self.architectures:
            if architecture.name == name:
                return architecture
        raise InputError(
            f"config.json says architectures=[{name!r}], which this project has no "
            f"counterpart of. Known for {self.model_type}: "
            f"{', '.join(a.name for a in self.architectures)}."
        )


def expand(
    pairs: Sequence[Pair], counts: Mapping[str, int], task: str = ""
) -> List[Pair]:
    """Pairs with numbers for their placeholders, and `task` for {task}.

    Example: layer_{layer} with {"layer": 2} -> layer_0, layer_1.
    """
    expanded = []
    for pair in pairs:
        found = [name for _, name, _, _ in string.Formatter().parse(pair.tf) if name]
        numbered = [name for name in found if name != TASK]
        for values in itertools.product(*(range(counts[name]) for name in numbered)):
            expanded.append(pair.fill(dict(zip(numbered, values), **{TASK: task})))
    return expanded


def sizes(config) -> Dict[str, int]:
    """Letter -> size; L is not among them."""
    return {
        "V": config.vocab_size,
        "P": config.max_position_embeddings,
        "T": config.type_vocab_size,
        "E": config.embedding_width,
        "H": config.hidden_size,
        "I": config.intermediate_size,
    }


def translate(
    tensors: Tensors, pairs: Sequence[Pair], config, to_hf: bool, source: str
) -> Tensors:
    """The tensors under their other names, every one of them.

    Args:
      tensors: by name; all must be in the table.
      pairs: expanded; all must be in `tensors`.
      config: EncoderConfig that the shapes must agree with.
      to_hf: direction.
      source: names the file in messages.

    Raises:
      InputError: names are missing or left over (they are listed), a shape is not the
        configuration's, a tensor is not float32, or holds NaN or infinity.
    """
    known = {(pair.tf if to_hf else pair.hf): pair for pair in pairs}
    _check_names(known, tensors, source)
    numbers = sizes(config)
    labels = set()
    result = {}
    for name, pair in known.items():
        across = pair.across(tensors[name])
        result[pair.hf if to_hf else pair.tf] = across
        shape = (tensors[name] if to_hf else across).shape
        _check_shape(name, pair, shape, numbers, labels, source)
        _check_values(name, tensors[name], source)
    return result


def _check_values(name, tensor, source):
    if tensor.dtype != np.float32:
        raise InputError(
            f"{source}: {name} is {tensor.dtype}, expected float32. Convert the "
            "file to float32 first; rounding is not done silently."
        )
    checkpoints.require_finite(name, tensor, source)


def _check_names(known, tensors, source):
    missing, extra = (
        sorted(set(known) - set(tensors)),
        sorted(set(tensors) - set(known)),
    )
    if missing or extra:
        lists = [
            f"{len(names)} {what}: {', '.join(names)}"
            for what, names in (("missing", missing), ("left over", extra))
            if names
        ]
        raise InputError(
            f"{source} does not fit the table of names, {'; '.join(lists)}. Do "
            "--model_type and the model configuration belong to this file?"
        )


def _check_shape(name, pair, shape, numbers, labels, source):
    expected = [
        int(letter) if letter.isdigit() else numbers.get(letter)
        for letter in pair.shape
    ]
    fits = len(expected) == len(shape) and all(
        want in (None, have) for want, have in zip(expected, shape)
    )
    labels.update(h for h, letter in zip(shape, pair.shape) if letter == "L")
    if not fits or len(labels) > 1:
        wanted = ["labels" if size is None else size for size in expected]
        raise InputError(
            f"{source}: {name} has shape {list(shape)} in the TensorFlow form and "
            f"{wanted} by the configuration. Use the configuration that belongs to "
            "the checkpoint."
        )


# --- Which parts exist -----------------------------------------------------------


def parts_of(names: ModelNames, found: Iterable[str], to_hf: bool) -> Dict[str, set]:
    """part -> its names among those found; parts that share names both appear."""
    present = {}
    for part, pairs in names.parts.items():
        pattern = _pattern(pair.tf if to_hf else pair.hf for pair in pairs)
        matched = {name for name in found if pattern.match(name)}
        if matched:
            present[part] = matched
    return present


def _pattern(names):
    """What matches these names with anything for {task}, numbers elsewhere."""
    forms = [
        re.sub(
            r"\\{(\w+)\\}",
            lambda found: "[^/]+" if found.group(1) == TASK else r"\d+",
            re.escape(name),
        )
        for name in names
    ]
    return re.compile("(?:" + "|".join(forms) + ")$")


def choose_architecture(
    names: ModelNames,
    config,
    found: Sequence[str],
    to_hf: bool,
    head_type: str,
    source: str,
) -> Architecture:
    """The class whose parts a file has, with exactly those parts that are there.

    Args:
      found: names in the file.
      head_type: Architecture.head_type if known, since heads of several types may have
        the same names; "" = whichever fits first.

    Raises:
      InputError: none fits; the names that no part knows are listed.
    """
    present = parts_of(names, found, to_hf)
    unknown = sorted(set(found).difference(*present.values()))
    if unknown:
        raise InputError(
            f"{source} has {len(unknown)} tensors that the table of "
            f"{names.model_type} does not know: {', '.join(unknown)}."
        )
    for architecture in names.architectures:
        needed = architecture.parts + tuple(names.needs(config))
        carried = tuple(part for part in architecture.may_have if part in present)
        covered = set().union(*(present.get(part, ()) for part in needed + carried))
        fits = not head_type or architecture.head_type == head_type
        if fits and set(needed) <= set(present) and covered == set(found):
            return architecture._replace(parts=needed + carried)
    wanted = f"{head_type.replace('_', ' ')} " if head_type else ""
    raise InputError(
        f"{source} has the parts {', '.join(present) or '(none)'}, which make no "
        f"{wanted}model of {names.model_type}. Possible are "
        + "; ".join(f"{a.name} ({', '.join(a.parts)})" for a in names.architectures)
        + "."
    )
