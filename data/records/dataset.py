"""The pre-training records that training reads: which files, how many, in what order.

Records may be this project's (with a manifest, which is checked) or Google's. Every
disagreement between records and flags is found before training begins.
"""

import dataclasses
import hashlib
import os
from typing import (
    Any,
    Container,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from ..io.errors import InputError
from ..io.files import exists, file_size, open_file
from ..io.globs import matching_files
from . import record_bytes
from .manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    manifest_path,
    require_settings,
)
from .schema import Features, layout, pretraining_features
from .tfrecords import read_records

# Records shuffled together, or up to twice as many: 50 to 100 MB at 128 tokens.
SHUFFLED_TOGETHER = 32768

_REBUILD = (
    "Rebuild the records with python -m data.create_pretraining_data, or change the "
    "flag."
)
_BUILD_AGAIN = "give the command that built it again: it makes what is missing."


@dataclasses.dataclass(frozen=True)
class RecordFiles:
    """Checked files of pre-training records.

    Attributes:
      paths: files that hold records. counts: how many each.
      features: their schema.
      settings: flags that they were built with; {} for Google's.
      tokenizer: identity of the tokenizer that they were built with, or None.
      digest: of the contents, by the manifests or else by the records' own checksums.
    """

    paths: Tuple[str, ...]
    counts: Tuple[int, ...]
    features: Features
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tokenizer: Optional[Mapping[str, Any]] = None
    digest: str = ""

    @property
    def total(self) -> int:
        """Number of records."""
        return sum(self.counts)


def open_records(
    input_file: str,
    model_type: str,
    max_seq_length: int,
    max_predictions_per_seq: int,
    flag: str = "input_file",
) -> RecordFiles:
    """Finds and checks records.

    Args:
      input_file: comma-separated files or patterns.
      model_type: "bert", "albert" or "electra".
      max_seq_length, max_predictions_per_seq: what training expects.
      flag: name of the flag that `input_file` is from.

    Raises:
      InputError: there are none; they were built for other values, which are named
        with those of the flags; a build is not finished, or lacks files; builds differ
        in their tokenizers or features; a file is cut off.
    """
    wanted = {"model_type": model_type, "max_seq_length": max_seq_length}
    if model_type != "electra":
        wanted["max_predictions_per_seq"] = max_predictions_per_seq
    paths = matching_files(input_file, flag)
    sources = {path: manifest_path(path) for path in paths}
    manifests: Dict[str, Manifest] = {}
    for source in filter(None, dict.fromkeys(sources.values())):
        manifest = load_manifest(source)
        if manifest is not None:
            manifests[source] = manifest
    for source, manifest in manifests.items():
        _check_manifest(source, manifest, wanted)
        _require_files(source, manifest, sources)
    _require_one_tokenizer(manifests)
    entries = {
        path: manifests[source].files.get(os.path.basename(path)) if source else None
        for path, source in sources.items()
    }
    found = [_counted(path, sources[path], entry) for path, entry in entries.items()]
    counts = [each.records for each in found]
    if not sum(counts):
        raise InputError(
            f"--{flag}={input_file} holds no records: build them with "
            "python -m data.create_pretraining_data."
        )
    kept = [(path, count) for path, count in zip(paths, counts) if count]
    # The first file of each build, and every file that is of none.
    firsts: Dict[Optional[str], str] = {}
    for path, _ in kept:
        firsts.setdefault(sources[path] if entries[path] else path, path)
    first = next(iter(manifests.values()), None)
    return RecordFiles(
        paths=tuple(path for path, _ in kept),
        counts=tuple(count for _, count in kept),
        features=_common_layout(list(firsts.values()), wanted),
        settings=first.settings if first else {},
        tokenizer=first.tokenizer if first else None,
        digest=_digest([each.digest for each in found if each.records]),
    )


def _digest(digests: Sequence[str]) -> str:
    """Of the digests of files, in their order."""
    return hashlib.sha256("".join(digests).encode("ascii")).hexdigest()[:16]


def _check_manifest(source: str, manifest: Manifest, wanted: Mapping[str, Any]) -> None:
    if not manifest.complete:
        raise InputError(
            f"{source}: this build of records is not finished. Give its command again; "
            "it resumes."
        )
    require_settings(manifest.settings, wanted, source, _REBUILD)


def _require_files(source: str, manifest: Manifest, known: Container[str]) -> None:
    """Refuses a folder that lacks files of its manifest; those `known` are there."""
    folder, name = os.path.split(source)
    if name != MANIFEST_NAME:  # the manifest of a single file
        return
    missing = []
    for name in sorted(manifest.files):
        path = os.path.join(folder, name)
        if path not in known and not exists(path):
            missing.append(name)
    if missing:
        raise InputError(
            f"{source} lists files that are not there, {len(missing)} of "
            f"{len(manifest.files)}: {', '.join(missing[:3])}"
            f"{', ...' if missing[3:] else ''}. Copy them, or {_BUILD_AGAIN}"
        )


def _require_one_tokenizer(manifests: Mapping[str, Manifest]) -> None:
    """Refuses builds whose token ids mean different pieces."""
    first = next(iter(manifests), "")
    for source, manifest in manifests.items():
        known, other = manifests[first].tokenizer, manifest.tokenizer
        if known.get("fingerprint") != other.get("fingerprint"):
            differences = [
                f"{name}={value!r} and {other.get(name)!r}"
                for name, value in known.items()
                if value != other.get(name)
            ]
            raise InputError(
                f"{first} and {source} are of different tokenizers: "
                f"{', '.join(differences)}. Train on one of them, or build both with "
                "one tokenizer."
            )


class _Counted(NamedTuple):
    records: int
    digest: str  # hexadecimal, of the contents


def _counted(
    path: str, source: Optional[str], entry: Optional[Mapping[str, Any]]
) -> _Counted:
    """Of a file: by its entry in a manifest, or else by all lengths and checksums.

    Raises:
      InputError: its size is not that of the manifest.
    """
    if not entry:
        return _count_by_reading(path)
    size = file_size(path)
    if size != entry["bytes"]:
        raise InputError(
            f"{path} has {size} bytes, but {entry['bytes']} by {source}: it was cut "
            f"off or changed. Copy it again, or {_BUILD_AGAIN}"
        )
    return _Counted(entry["instances"], entry["sha256"])


def _count_by_reading(path: str) -> _Counted:
    """Reads the length and the checksum of each record, and passes over the rest.

    Raises:
      InputError: the file is cut off or not a TFRecord file; see `name_damage`.
    """
    size, place, count, digest = file_size(path), 0, 0, hashlib.sha256()
    with open_file(path) as stream:
        header = stream.read(record_bytes.HEADER_BYTES)
        while header:
            length = int.from_bytes(header[:8], "little")
            place += len(header) + length + record_bytes.FOOTER_BYTES
            if place > size:
                name_damage([path])
                break
            stream.seek(place - record_bytes.FOOTER_BYTES)
            checksum = stream.read(record_bytes.FOOTER_BYTES)
            digest.update(header[:8] + checksum)
            header = stream.read(record_bytes.HEADER_BYTES)
            count += 1
    return _Counted(count, digest.hexdigest())


def name_damage(paths: Sequence[str]) -> None:
    """Reads files until it finds a damaged record.

    Raises:
      InputError: a record is truncated or corrupt; the message has its file and the
        byte at which it begins.
    """
    for path in paths:
        for _ in read_records(path):
            pass


def _common_layout(paths: Sequence[str], wanted: Mapping[str, Any]) -> Features:
    """The schema of files, by the first record of each.

    Raises:
      InputError: a file does not have what the flags say, or word order prediction as
        the others have it.
    """
    layouts = [_check_layout(path, wanted) for path in paths]
    for path, features in zip(paths, layouts):
        if features != layouts[0]:
            first, other = map(_wop_positions, (layouts[0], features))
            raise InputError(
                f"{paths[0]} has {first} wop_positions in a record, but {path} has "
                f"{other}. Train on one of them, or build both with the same "
                "--wop_prob and --wop_ngram."
            )
    return layouts[0]


def _wop_positions(features: Features) -> int:
    return {f.name: f.length or 0 for f in features}.get("wop_positions", 0)


def _check_layout(path: str, wanted: Mapping[str, Any]) -> Features:
    """The schema of a file, by its first record.

    Raises:
      InputError: features are missing, or have other lengths than the flags say.
    """
    found = layout(next(iter(read_records(path))))
    features = pretraining_features(
        wanted["model_type"],
        wanted["max_seq_length"],
        wanted.get("max_predictions_per_seq", 0),
        found.get("wop_positions", 0),
    )
    missing = [feature.name for feature in features if feature.name not in found]
    if missing:
        raise InputError(
            f"{path} lacks the features {', '.join(missing)} that "
            f"--model_type={wanted['model_type']} needs. {_REBUILD}"
        )
    if wanted["model_type"] == "electra" and "masked_lm_positions" in found:
        raise InputError(
            f"{path} holds masked records, but ELECTRA masks at run time. {_REBUILD}"
        )
    actual = {"max_seq_length": found["input_ids"]}
    if "masked_lm_positions" in found:
        actual["max_predictions_per_seq"] = found["masked_lm_positions"]
    require_settings(actual, {k: wanted[k] for k in actual}, path, _REBUILD)
    return features


# --- The order of reading ----------------------------------------------------------


class ReadingPlan(NamedTuple):
    """Groups of files, one after another.

    Attributes:
      files: int32 [G, F], numbers of the files of each group, -1 = none.
      seeds: int64 [G, 2], for the shuffle within each group.
      skipped: records to leave out of the first group.
      largest: records of the largest group, or of a piece of one with a large file.
    """

    files: np.ndarray
    seeds: np.ndarray
    skipped: int
    largest: int


def plan_reading(
    counts: Sequence[int], first: int, last: int, seed: Optional[int]
) -> ReadingPlan:
    """Which files to read for the records `first` to `last` - 1 of a run.

    An epoch reads every file once, in an order of its own; consecutive files make a
    group until it has SHUFFLED_TOGETHER records. So files can be passed over without
    reading them. A group of twice as many or more, which has a large file, is read in
    pieces of that size one after another, so that what is shuffled fits into memory.

    Args:
      counts: records in each file.
      first, last: counted over all epochs.
      seed: None = always in the order of the files.

    Returns:
      ReadingPlan. Files of 3 and 2 records without a seed, records 4 to 11: epoch 0
      from file 1 on (its first record skipped), then both files, then file 0.
    """
    groups: List[Tuple[List[int], Tuple[int, int]]] = []
    total = sum(counts)
    epoch, before = first // total, first // total * total
    skipped = 0
    largest = 1
    while before < last:
        for number, group in enumerate(_groups_of_epoch(counts, epoch, seed)):
            size = sum(counts[file] for file in group)
            if before + size > first and before < last:
                if not groups:
                    skipped = first - before
                groups.append((group, (seed or 0, (epoch << 20) + number)))
                largest = max(largest, size)
            before += size
        epoch += 1
    width = max((len(group) for group, _ in groups), default=1)
    files = np.full((len(groups), width), -1, np.int32)
    for row, (group, _) in zip(files, groups):
        row[: len(group)] = group
    seeds = np.array([seeds for _, seeds in groups], np.int64).reshape(-1, 2)
    return ReadingPlan(files, seeds, skipped, min(largest, 2 * SHUFFLED_TOGETHER))


def _groups_of_epoch(
    counts: Sequence[int], epoch: int, seed: Optional[int]
) -> List[List[int]]:
    """The files of an epoch in groups of consecutive ones."""
    order = np.arange(len(counts))
    if seed is not None:
        # Keys are random bits, whose stream is the same in every release of NumPy.
        generator = np.random.Generator(np.random.PCG64([seed, epoch]))
        order = generator.random(len(counts)).argsort(kind="stable")
    groups: List[List[int]] = [[]]
    size = 0
    for file in order.tolist():
        if size >= SHUFFLED_TOGETHER:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += counts[file]
    return groups
