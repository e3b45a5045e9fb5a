"""python -m data.create_pretraining_data, from text to records.

Set UPSTREAM_BERT to a checkout of google-research/bert and UPSTREAM_PYTHON to an
interpreter with TensorFlow 1.15 to build records with the original command too.
"""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from absl import flags

from data import create_pretraining_data
from data.io.errors import InputError
from data.pretraining import builder, named_files
from data.records import manifest, schema, tfrecords
from data.tokenization import build_tokenizer, resolve_config
from tests.support.paths import ROOT
from tests.support.shared_data import shared_golden
from tests.support.upstream_code import upstream_checkout

pytestmark = pytest.mark.slow

VOCABULARY = os.path.join(ROOT, "samples", "vocab.txt")
CORPUS = os.path.join(ROOT, "samples", "corpus", "*.txt")
PIECES = open(VOCABULARY, encoding="utf-8").read().split("\n")
CLS, SEP, MASK = (PIECES.index(piece) for piece in ("[CLS]", "[SEP]", "[MASK]"))


def _run(output, *arguments, corpus=CORPUS, block_bytes=8192):
    create_pretraining_data.main(
        ["create_pretraining_data", f"--input_file={corpus}"]
        + [f"--output_dir={output}", f"--vocab_file={VOCABULARY}"]
        + [f"--block_bytes={block_bytes}", "--max_seq_length=64", "--dupe_factor=2"]
        + list(arguments)
    )


def _bytes(folder):
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix == ".tfrecord"
    }


def _decoded(paths, features):
    serialized = [
        record for path in paths for record in tfrecords.read_records(str(path))
    ]
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(schema.decode(features, tf.constant(serialized)))


def _values(folder, *arguments, features=None, corpus=CORPUS):
    _run(folder, *arguments, corpus=corpus)
    features = features or schema.pretraining_features("bert", 64, 20)
    return _decoded(sorted(folder.glob("*.tfrecord")), features)


def _unmasked(values, *objectives):
    """input_ids with the original tokens put back."""
    ids = values["input_ids"].copy()
    for objective in objectives:
        row, slot = np.nonzero(values[f"{objective}_weights"])
        position = values[f"{objective}_positions"][row, slot]
        ids[row, position] = values[f"{objective}_ids"][row, slot]
    return ids


def _sentences_of_corpus():
    folder = os.path.join(ROOT, "samples", "corpus")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as stream:
            yield from stream.read().split("\n")


def test_records_hold_sentences_of_the_corpus(tmp_path):
    values = _values(tmp_path / "records", "--short_seq_prob=0")
    ids = _unmasked(values, "masked_lm")
    spelled = "".join(
        re.sub(r"[\s]", "", sentence) for sentence in _sentences_of_corpus()
    )
    checked = 0
    for row in ids[:300]:
        for segment in "|".join(PIECES[index] for index in row).split("[SEP]")[:2]:
            if "[UNK]" in segment or "[PAD]" in segment:
                continue
            text = segment.replace("[CLS]", "").replace("|##", "").replace("|", "")
            assert text.replace("##", "") in spelled
            checked += 1
    assert checked > 300


def test_inputs_are_consistent(tmp_path):
    values = _values(tmp_path / "records")
    ids = _unmasked(values, "masked_lm")
    lengths = values["input_mask"].sum(1)
    for row, mask, segments, length in zip(
        ids, values["input_mask"], values["segment_ids"], lengths
    ):
        assert mask.tolist() == [1] * length + [0] * (64 - length)
        assert row[0] == CLS and not row[length:].any()
        first, second = np.flatnonzero(row == SEP)
        assert second == length - 1
        expected = [0] * (first + 1) + [1] * (second - first) + [0] * (64 - length)
        assert segments.tolist() == expected


def test_masks_are_consistent(tmp_path):
    values = _values(tmp_path / "records")
    lengths = values["input_mask"].sum(1)
    counts = values["masked_lm_weights"].sum(1)
    expected = np.minimum(20, np.maximum(1, np.rint(lengths * 0.15)))
    assert counts.tolist() == expected.tolist()
    ids = _unmasked(values, "masked_lm")
    changed = values["input_ids"] != ids
    assert not changed[np.isin(ids, [CLS, SEP, 0])].any()
    share = (values["input_ids"] == MASK).sum() / counts.sum()
    assert share == pytest.approx(0.8, abs=0.03)


def test_albert_records_have_swapped_segments_and_moved_words(tmp_path):
    features = schema.pretraining_features("albert", 64, 20, wop_positions=9)
    values = _values(tmp_path / "records", "--model_type=albert", features=features)
    moved = values["wop_weights"].sum(1)
    assert set(moved) <= {0.0, 3.0, 6.0, 9.0} and moved.mean() > 5
    restored = _unmasked(values, "masked_lm")
    ids = _unmasked(values, "masked_lm", "wop")
    for row in range(len(ids)):
        masked = values["masked_lm_positions"][row][
            values["masked_lm_weights"][row] > 0
        ]
        shuffled = values["wop_positions"][row][values["wop_weights"][row] > 0]
        assert not set(masked) & set(shuffled)
        for ngram in shuffled.reshape(-1, 3):
            assert sorted(ids[row, ngram]) == sorted(restored[row, ngram])
            assert ids[row, ngram].tolist() != restored[row, ngram].tolist()
        assert not np.isin(ids[row, shuffled], [CLS, SEP, 0]).any()
    assert 0.4 < values["next_sentence_labels"].mean() < 0.75


def test_wop_can_be_turned_off(tmp_path):
    features = schema.pretraining_features("albert", 64, 20)
    arguments = ["--model_type=albert", "--wop_prob=0"]
    values = _values(tmp_path / "records", *arguments, features=features)
    assert len(values["input_ids"]) > 100


def test_whole_words_of_sentencepiece_follow_the_spacing(tmp_path):
    """With the list of pieces beside the model, as upstream's commands have it."""
    model = shared_golden("tokenization", "albert_spm.model")
    listed = shared_golden("tokenization", "albert_spm.vocab")
    folder = tmp_path / "records"
    create_pretraining_data.main(
        ["create_pretraining_data", f"--input_file={CORPUS}", "--model_type=albert"]
        + [f"--spm_model_file={model}", f"--vocab_file={listed}"]
        + [f"--output_dir={folder}", "--wop_prob=0"]
        + ["--max_seq_length=64", "--dupe_factor=2"]
    )
    features = schema.pretraining_features("albert", 64, 20)
    values = _decoded(sorted(folder.glob("*.tfrecord")), features)
    tokenizer = build_tokenizer(resolve_config(model), model)
    pieces = tokenizer.convert_ids_to_tokens(range(tokenizer.vocab_size))
    ids = _unmasked(values, "masked_lm")
    inside = 0
    for row in range(len(ids)):
        weights = values["masked_lm_weights"][row]
        masked = set(values["masked_lm_positions"][row][weights > 0])
        for position in range(2, values["input_mask"][row].sum()):
            piece, previous = ids[row, [position, position - 1]]
            if {piece, previous} & tokenizer.special_ids:
                continue
            if not pieces[piece].startswith("\u2581"):
                assert (position in masked) == (position - 1 in masked)
                inside += position in masked
    assert inside > 100


def test_electra_records_are_not_masked(tmp_path):
    features = schema.pretraining_features("electra", 64, 20)
    values = _values(tmp_path / "records", "--model_type=electra", features=features)
    assert not (values["input_ids"] == MASK).any()
    separators = (values["input_ids"] == SEP).sum(1)
    assert 0.03 < (separators == 1).mean() < 0.6  # single segments
    assert ((separators == 1) == (values["segment_ids"].sum(1) == 0)).all()


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_processes_cannot_be_seen_in_the_bytes(tmp_path, model_type):
    for processes in (1, 2, 3):
        arguments = [f"--num_processes={processes}", f"--model_type={model_type}"]
        _run(tmp_path / str(processes), *arguments)
    one, two, three = (_bytes(tmp_path / str(count)) for count in (1, 2, 3))
    assert len(one) > 4
    assert one == two == three


def test_seed_decides(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        _run(tmp_path / name, f"--random_seed={seed}")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b") != _bytes(tmp_path / "c")


def test_finished_build_says_so_and_does_nothing(tmp_path, capsys):
    _run(tmp_path / "records")
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()
    }
    capsys.readouterr()
    _run(tmp_path / "records")
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert before == after
    message = r"records: complete, [\d,]+ instances of 103 documents \([\d,]+ tokens\)"
    assert re.search(message, capsys.readouterr().out)


def test_shard_that_was_lost_or_cut_is_built_again(tmp_path):
    folder = tmp_path / "records"
    _run(folder)
    before = _bytes(folder)
    lost, cut = sorted(folder.glob("*.tfrecord"))[1:3]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:1000])
    _run(folder)
    assert _bytes(folder) == before


def test_manifest_has_settings_tokenizer_counts_and_checksums(tmp_path):
    folder = tmp_path / "records"
    _run(folder)
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert content["complete"]
    assert content["settings"]["max_seq_length"] == 64
    assert content["tokenizer"]["algorithm"] == "wordpiece"
    for name, data in _bytes(folder).items():
        entry = content["files"][name]
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["bytes"] == len(data)
        count = sum(1 for _ in tfrecords.read_records(str(folder / name)))
        assert entry["instances"] == count
    total = sum(entry["instances"] for entry in content["files"].values())
    assert content["totals"]["instances"] == total


def _stop_at(block_index, monkeypatch):
    """Makes builds stop before the shard of this number; returns what undoes it."""
    build_shard = builder.build_shard

    def build_or_stop(block, *arguments):
        if block.index == block_index:
            raise KeyboardInterrupt
        return build_shard(block, *arguments)

    monkeypatch.setattr(builder, "_SECONDS_BETWEEN_SAVES", 0)
    monkeypatch.setattr(builder, "build_shard", build_or_stop)
    return lambda: monkeypatch.setattr(builder, "build_shard", build_shard)


def test_stopped_build_goes_on_with_the_missing_shards(tmp_path, monkeypatch):
    _run(tmp_path / "whole")
    folder = tmp_path / "records"
    undo = _stop_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        _run(folder)
    undo()
    built = []
    build_shard = builder.build_shard
    monkeypatch.setattr(
        builder,
        "build_shard",
        lambda block, *rest: built.append(block.index) or build_shard(block, *rest),
    )
    state = manifest.load_manifest(str(folder / "manifest.json"))
    assert len(state.files) == 3 and not state.complete
    _run(folder)
    assert built == list(range(3, len(_bytes(folder))))
    assert _bytes(folder) == _bytes(tmp_path / "whole")
    state = manifest.load_manifest(str(folder / "manifest.json"))
    whole = manifest.load_manifest(str(tmp_path / "whole" / "manifest.json"))
    assert state == whole


def _command(output, *arguments):
    return [
        sys.executable,
        "-m",
        "data.create_pretraining_data",
        f"--input_file={CORPUS}",
        f"--output_dir={output}",
        f"--vocab_file={VOCABULARY}",
        "--max_seq_length=64",
    ] + list(arguments)


def test_killed_build_goes_on(tmp_path):
    arguments = ["--dupe_factor=200", "--block_bytes=8192", "--num_processes=2"]
    folder = tmp_path / "records"
    process = subprocess.Popen(
        _command(folder, *arguments), cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.time() + 60
    while len(list(folder.glob("*.tfrecord"))) < 2 and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shards = sorted(folder.glob("*.tfrecord"))
    assert shards
    for shard in shards:  # what has its name is whole
        assert sum(1 for _ in tfrecords.read_records(str(shard))) > 1000
    state = manifest.load_manifest(str(folder / "manifest.json"))
    assert not state.complete
    subprocess.run(
        _command(folder, *arguments), cwd=ROOT, stderr=subprocess.DEVNULL, check=True
    )
    subprocess.run(
        _command(tmp_path / "whole", *arguments),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    assert _bytes(folder) == _bytes(tmp_path / "whole")
    assert {path.suffix for path in folder.iterdir()} == {".tfrecord", ".json"}


def test_other_settings_are_refused_with_both_values(tmp_path):
    folder = tmp_path / "records"
    _run(folder)
    before = _bytes(folder)
    with pytest.raises(InputError) as error:
        _run(folder, "--max_seq_length=32", "--random_seed=7")
    assert str(error.value) == (
        f"{folder} was made with --random_seed=12345 (now 7), --max_seq_length=64 "
        "(now 32). Pass --overwrite to build anew, or choose another place."
    )
    assert _bytes(folder) == before
    _run(folder, "--max_seq_length=32", "--random_seed=7", "--overwrite")
    assert _bytes(folder) != before


def test_other_text_is_refused(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("하나 둘\n셋\n\n넷\n다섯\n", encoding="utf-8")
    _run(tmp_path / "records", corpus=text)
    text.write_text("하나 둘\n셋\n\n넷\n다섯 여섯\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r'--input_file=\[\["a.txt", 27\]\] \(now \[\['
    ):
        _run(tmp_path / "records", corpus=text)


def test_other_text_of_the_same_size_is_refused(tmp_path):
    text = tmp_path / "a.txt"
    outputs = [tmp_path / "a.tfrecord"]
    text.write_text("하나 둘\n셋\n\n넷\n다섯\n", encoding="utf-8")
    _run(tmp_path / "records", corpus=text)
    _run_files(outputs, corpus=text)
    before = _bytes(tmp_path / "records")
    text.write_text("하나 둘\n셋\n\n넷\n여섯\n", encoding="utf-8")
    message = (
        "was made of other text: the corpus has changed since, in .*a.txt, line 1,"
    )
    with pytest.raises(InputError, match=message):
        _run(tmp_path / "records", corpus=text)
    with pytest.raises(InputError, match=message):
        _run_files(outputs, corpus=text)
    assert _bytes(tmp_path / "records") == before
    _run(tmp_path / "records", "--overwrite", corpus=text)
    assert _bytes(tmp_path / "records") != before


@pytest.mark.parametrize("arguments", [[], ["--overwrite"]])
def test_stopped_build_does_not_mix_texts(tmp_path, monkeypatch, arguments):
    folder, text = tmp_path / "records", tmp_path / "a.txt"
    text.write_text("하나 둘\n셋 넷\n\n" * 40, encoding="utf-8")
    undo = _stop_at(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        _run(folder, corpus=text, block_bytes=256)
    undo()
    text.write_text("하나 둘\n셋 열\n\n" * 40, encoding="utf-8")
    if not arguments:
        with pytest.raises(InputError, match="was made of other text"):
            _run(folder, corpus=text, block_bytes=256)
        return
    _run(folder, *arguments, corpus=text, block_bytes=256)
    _run(tmp_path / "whole", corpus=text, block_bytes=256)
    assert _bytes(folder) == _bytes(tmp_path / "whole")


def test_stopped_build_goes_on_with_overwrite_too(tmp_path, monkeypatch):
    folder = tmp_path / "records"
    _run(folder)
    undo = _stop_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        _run(folder, "--overwrite")
    undo()
    built = {path: path.stat().st_mtime_ns for path in folder.glob("*.tfrecord")}
    assert len(built) == 3
    _run(folder, "--overwrite")
    assert {path: path.stat().st_mtime_ns for path in built} == built
    _run(folder, "--overwrite")  # a finished one begins anew
    assert all(path.stat().st_mtime_ns != built[path] for path in built)


def test_mended_text_may_be_built_where_nothing_was(tmp_path):
    folder = tmp_path / "records"
    with pytest.raises(InputError, match="Fix it, or leave"):
        _run(folder, corpus=_corpus(tmp_path, "하나\n둘\n".encode() + b"\xff\n"))
    _run(folder, corpus=_corpus(tmp_path, "하나\n둘\n"))
    assert list(_bytes(folder)) == ["pretraining-00000.tfrecord"]


def test_other_tokenizer_is_refused(tmp_path):
    folder = tmp_path / "records"
    _run(folder)
    with pytest.raises(InputError, match="lower_case=False there and True here"):
        _run(folder, "--do_lower_case")


@pytest.mark.parametrize(
    "pieces, message", [(None, "does not exist"), (PIECES[:4], "lacks the special")]
)
def test_bad_vocabulary_does_not_overwrite_records(tmp_path, pieces, message):
    folder, vocabulary = tmp_path / "records", tmp_path / "other.txt"
    _run(folder)
    before = _bytes(folder)
    if pieces:
        vocabulary.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        _run(folder, f"--vocab_file={vocabulary}", "--overwrite")
    assert _bytes(folder) == before


def test_overwriting_leaves_no_shard_of_the_old_build(tmp_path):
    folder = tmp_path / "records"
    _run(folder, block_bytes=4096)
    _run(folder, "--overwrite", block_bytes=1 << 20)
    assert list(_bytes(folder)) == ["pretraining-00000.tfrecord"]


@pytest.mark.parametrize("name", ["records", "r [1]", "r*?"])
def test_records_of_unknown_origin_are_kept(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "pretraining-00000.tfrecord").write_bytes(b"precious")
    with pytest.raises(InputError, match="holds records without a manifest.json"):
        _run(folder)
    assert (folder / "pretraining-00000.tfrecord").read_bytes() == b"precious"


def _run_files(outputs, *arguments, corpus=CORPUS):
    create_pretraining_data.main(
        ["create_pretraining_data", f"--input_file={corpus}"]
        + [f"--output_file={','.join(map(str, outputs))}"]
        + [f"--vocab_file={VOCABULARY}", "--max_seq_length=64", "--block_bytes=8192"]
        + ["--dupe_factor=2"]
        + list(arguments)
    )


def test_output_files_share_the_records_in_turn(tmp_path, capsys):
    _run(tmp_path / "records")
    shards = sorted((tmp_path / "records").glob("*.tfrecord"))
    expected = [
        record for path in shards for record in tfrecords.read_records(str(path))
    ]
    outputs = [tmp_path / name for name in ("a.tfrecord", "b.tfrecord", "c.tfrecord")]
    _run_files(outputs)
    for index, path in enumerate(outputs):
        assert list(tfrecords.read_records(str(path))) == expected[index::3]
        state = manifest.load_manifest(f"{path}.manifest.json")
        assert state.files[path.name]["instances"] == len(expected[index::3])
        assert state.totals["instances"] == len(expected)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "records"
    ]
    written = outputs[0].stat().st_mtime_ns
    _run_files(outputs)
    assert outputs[0].stat().st_mtime_ns == written
    assert "complete" in capsys.readouterr().out


def test_output_file_that_exists_is_kept(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="a.tfrecord exists already. Pass --overwrite"):
        _run_files([path])
    assert path.read_bytes() == b"precious"
    _run_files([path], "--overwrite")
    assert len(list(tfrecords.read_records(str(path)))) > 100
    with pytest.raises(
        InputError, match=r"a.tfrecord was made with --random_seed=12345"
    ):
        _run_files([path], "--random_seed=1")


@pytest.mark.parametrize("name", ["a.tfrecord", "a [1].tfrecord"])
@pytest.mark.parametrize("other", ["notes.txt", ".notes"])
def test_folder_of_other_files_beside_the_output_is_kept(tmp_path, name, other):
    notes = tmp_path / f"{name}.shards" / other
    notes.parent.mkdir()
    notes.write_text("precious")
    for arguments in ([], ["--overwrite"]):
        with pytest.raises(InputError, match=f"holds other files, .* {other}. Move"):
            _run_files([tmp_path / name], *arguments)
    assert notes.read_text() == "precious"


def test_other_files_among_the_shards_are_kept(tmp_path, monkeypatch):
    output = tmp_path / "a.tfrecord"
    undo = _stop_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        _run_files([output])
    undo()
    for name in ("manifest.json", "pretraining-00003.tfrecord"):
        left = tmp_path / "a.tfrecord.shards" / f"{name}.1.incomplete"
        left.write_text("left by a killed process")
    notes = tmp_path / "a.tfrecord.shards" / "notes.txt"
    notes.write_text("precious")
    _run_files([output])
    assert output.exists()
    assert list(notes.parent.iterdir()) == [notes]


def test_stop_while_sharing_out_keeps_the_shards(tmp_path, monkeypatch):
    output = tmp_path / "a.tfrecord"

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(named_files, "split_frames", stop)
        with pytest.raises(KeyboardInterrupt):
            _run_files([output], "--overwrite")
    monkeypatch.setattr(builder, "build_shard", stop)
    _run_files([output], "--overwrite")
    assert output.exists() and not (tmp_path / "a.tfrecord.shards").exists()


@pytest.mark.parametrize(
    "outputs, message",
    [
        ("b.tfrecord,", "has an empty name: take the extra comma away"),
        ("a.tfrecord,a.tfrecord", "names a file twice"),
        ("a.tfrecord,./a.tfrecord", "names a file twice"),
    ],
)
def test_bad_lists_of_output_files_are_refused_at_once(
    tmp_path, monkeypatch, outputs, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        _run_files([outputs])
    assert not list(tmp_path.iterdir())


def test_folders_of_output_files_are_made_before_the_build(tmp_path):
    (tmp_path / "afile").write_text("")
    with pytest.raises(InputError, match="The folder .*/afile cannot be made"):
        _run_files([tmp_path / "a.tfrecord", tmp_path / "afile" / "b.tfrecord"])
    assert not (tmp_path / "a.tfrecord.shards").exists()
    outputs = [tmp_path / "a.tfrecord", tmp_path / "new" / "b.tfrecord"]
    _run_files(outputs)
    assert all(path.exists() for path in outputs)


def test_manifest_is_found_for_shards_and_for_files(tmp_path):
    _run(tmp_path / "records")
    _run_files([tmp_path / "a.tfrecord"])
    shard = str(tmp_path / "records" / "pretraining-00000.tfrecord")
    assert manifest.manifest_path(shard) == str(tmp_path / "records" / "manifest.json")
    path = str(tmp_path / "a.tfrecord")
    assert manifest.manifest_path(path) == f"{path}.manifest.json"
    assert manifest.manifest_path("elsewhere/x.tfrecord") is None


def test_training_can_refuse_records_of_other_settings(tmp_path):
    _run(tmp_path / "records")
    state = manifest.load_manifest(str(tmp_path / "records" / "manifest.json"))
    wanted = {"max_seq_length": 512, "model_type": "bert"}
    with pytest.raises(
        InputError, match=r"x was made with --max_seq_length=64 \(now 512"
    ):
        manifest.require_settings(state.settings, wanted, "x", "Build them again.")


_FILES = '{"format": 1, "settings": {}, "tokenizer": {}, "files": {"a": %s}}'


@pytest.mark.parametrize(
    "content, problem",
    [
        ("[]", "it: a JSON list"),
        ("{", "it, line 1, character 2: not JSON"),
        ("[" * 10**5, "it: lists or objects nested too deeply"),
        ('{"format": 9}', "its format is 9, not 1"),
        ('{"format": 1, "settings": {}}', "it lacks settings or tokenizer"),
        ('{"format": 1, "settings": [1]}', r"it has settings=\[1\]"),
        ('{"format": 1, "complete": "false"}', "it has complete='false'"),
        ('{"format": 1, "shards": {}}', "it has shards={}"),
        (_FILES % "5", "the file 'a' has no instances and bytes"),
        (_FILES % '{"instances": -5, "bytes": 9}', "the file 'a' has no instances"),
        (_FILES % '{"instances": NaN, "bytes": 9}', "the file 'a' has no instances"),
    ],
)
def test_file_that_is_no_manifest_is_named(tmp_path, content, problem):
    (tmp_path / "manifest.json").write_text(content)
    expected = f"manifest.json is not a manifest of this project: {problem}.*Move it"
    with pytest.raises(InputError, match=expected):
        _run(tmp_path)


@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_lines_have_no_next_sentence(tmp_path, model_type):
    with pytest.raises(
        InputError, match=f"leave it out with --model_type={model_type}"
    ):
        _run(tmp_path, f"--model_type={model_type}", "--line_by_line")


def test_what_is_cut_off_from_long_lines_is_counted(tmp_path, capsys):
    """Rows of 8 hold 6 of a line's 20 pieces, beside [CLS] and [SEP]."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("오늘 아침\n" + "오늘 " * 20 + "\n", encoding="utf-8")
    words = ["--model_type=electra", "--line_by_line", "--max_seq_length=8"]
    for dupe_factor in (1, 3):
        output = tmp_path / f"records_{dupe_factor}"
        _run(output, *words, f"--dupe_factor={dupe_factor}", corpus=corpus)
        expected = "(22 tokens, 14 cut off at --max_seq_length)"
        assert expected in capsys.readouterr().out


def _corpus(folder, content):
    path = folder / "corpus.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "\n \n",
            "The corpus holds no text: .*corpus.txt. Expected UTF-8, one sentence",
        ),
        ("하나\n\n둘\n\n셋\n", "None of the first 3 documents has two sentences"),
        (b"\xc7\xcf\n", "corpus.txt is CP949, but a corpus is read as UTF-8. Convert"),
        (
            "하나\n".encode() * 3 + b"\xff\n",
            "line 4: byte 0xFF at offset 21 of the file is not valid UTF-8",
        ),
        ("가" * 200000, "line 1: more than 400000 bytes, expected at most"),
    ],
    ids=["empty", "single sentences", "encoding", "bad byte", "giant line"],
)
def test_bad_text_is_refused_and_leaves_no_records(tmp_path, content, message):
    folder = tmp_path / "records"
    with pytest.raises(InputError, match=message):
        _run(folder, corpus=_corpus(tmp_path, content))
    state = manifest.load_manifest(str(folder / "manifest.json"))
    assert state is None or not state.complete


def test_documents_of_one_sentence_train_electra(tmp_path):
    corpus = _corpus(tmp_path, "하나\n\n둘\n\n셋\n")
    features = schema.pretraining_features("electra", 64, 20)
    arguments = ["--model_type=electra", "--dupe_factor=1"]
    folder = tmp_path / "records"
    values = _values(folder, *arguments, features=features, corpus=corpus)
    assert len(values["input_ids"]) == 3


def test_a_row_for_each_line(tmp_path):
    corpus = _corpus(tmp_path, "하나 둘\n둘\n\n셋\n")
    features = schema.pretraining_features("electra", 64, 20)
    arguments = ["--model_type=electra", "--dupe_factor=1", "--line_by_line"]
    folder = tmp_path / "records"
    values = _values(folder, *arguments, features=features, corpus=corpus)
    tokenizer = build_tokenizer(resolve_config(VOCABULARY), VOCABULARY)
    lines = tokenizer.encode_ids_batch(["하나 둘", "둘", "셋"])
    found = [row[row != 0].tolist() for row in values["input_ids"]]
    assert sorted(found) == sorted([CLS, *ids, SEP] for ids in lines)
    assert not values["segment_ids"].any()
    with pytest.raises(InputError, match="--line_by_line=true"):
        _run(folder, *arguments[:2], corpus=corpus)


def test_some_documents_of_one_sentence_do_no_harm(tmp_path):
    corpus = _corpus(tmp_path, "하나\n둘\n\n셋\n")
    folder = tmp_path / "records"
    values = _values(folder, "--model_type=albert", "--wop_prob=0", corpus=corpus)
    assert values["next_sentence_labels"].min() in (0, 1)
    assert values["next_sentence_labels"].max() == 1


def test_bad_lines_may_be_left_out(tmp_path, capsys):
    corpus = _corpus(tmp_path, "하나\n둘\n".encode() + b"\xff\n")
    _run(tmp_path / "records", "--max_bad_rows=1", corpus=corpus)
    assert "1 bad lines left out" in capsys.readouterr().out


def test_everything_may_lie_where_tensorflow_opens_it(tmp_path):
    _run(tmp_path / "local")
    command = _command(f"file://{tmp_path}/remote/records", "--dupe_factor=2")
    command = [part.replace(f"={ROOT}", f"=file://{ROOT}") for part in command]
    command += ["--block_bytes=8192"]
    subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=True)
    assert _bytes(tmp_path / "remote" / "records") == _bytes(tmp_path / "local")


def test_full_disk_is_named_and_leaves_nothing_half_written(tmp_path):
    folder = tmp_path / "records"
    limit = 100000  # bytes per file

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        _command(folder, "--num_processes=2"),
        cwd=ROOT,
        preexec_fn=limited,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 1
    message = done.stderr.decode("utf-8")
    assert "pretraining-00000.tfrecord could not be written: " in message
    assert "make room or choose another place" in message
    assert "Traceback" not in message
    assert list(_bytes(folder)) == []
    assert not list(folder.glob("*.incomplete"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output_dir=a", "--output_file=b"], "Pass --output_dir or --output_file"),
        ([], "Pass --output_dir or --output_file, and not both"),
        (["--output_dir=a"], "Pass --vocab_file or --spm_model_file"),
        (
            ["--output_dir=a", "--vocab_file=v", "--input_file=none*"],
            r"--input_file=none\*: there is no such file",
        ),
        (
            ["--output_dir=a", f"--vocab_file={VOCABULARY}", f"--input_file={CORPUS}"]
            + ["--model_type=electra", "--wop_prob=0.1"],
            "--wop_prob is for BERT and ALBERT",
        ),
    ],
)
def test_bad_flags_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        create_pretraining_data.main(["create_pretraining_data"] + arguments)


def test_flags_of_predictions_are_not_electras(tmp_path, capsys):
    corpus = _corpus(tmp_path, "하나\n둘\n")
    words = [f"--input_file={corpus}", f"--vocab_file={VOCABULARY}", "--ngram=2"]
    for model_type in ("electra", "bert"):
        create_pretraining_data.main(
            ["create_pretraining_data", *words, f"--model_type={model_type}"]
            + [f"--output_dir={tmp_path}/{model_type}"]
        )
        told = "--ngram: not used, since ELECTRA's records" in capsys.readouterr().err
        assert told == (model_type == "electra")


def test_the_longest_record(capsys):
    with pytest.raises(flags.Error, match="max_seq_length"):
        create_pretraining_data.main(["x", "--max_seq_length=65537"])


@pytest.mark.parametrize(
    "model_type, expected",
    [("bert", (128, 10, False, 1)), ("albert", (512, 40, True, 3))],
)
def test_defaults_are_those_of_the_models_repository(tmp_path, model_type, expected):
    corpus = _corpus(tmp_path, "하나\n둘\n")
    create_pretraining_data.main(
        ["create_pretraining_data", f"--input_file={corpus}"]
        + [f"--output_dir={tmp_path}/records", f"--vocab_file={VOCABULARY}"]
        + [f"--model_type={model_type}"]
    )
    settings = manifest.load_manifest(f"{tmp_path}/records/manifest.json").settings
    names = ("max_seq_length", "dupe_factor", "do_whole_word_mask", "ngram")
    assert tuple(settings[name] for name in names) == expected


def test_mistakes_end_in_one_line_and_status_1(tmp_path):
    for arguments, message in [
        (["--no_such_flag"], "Unknown command line flag 'no_such_flag'"),
        (["input.txt"], "Unexpected argument 'input.txt': settings are --flag=value."),
        (
            ["--max_seq_length=3"],
            "flag --max_seq_length=3: 3 is not an integer in the range [5, 65536]",
        ),
        ([], "error: Pass --output_dir or --output_file, and not both."),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "data.create_pretraining_data"] + arguments,
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        lines = done.stderr.decode("utf-8").splitlines()
        assert done.returncode == 1
        assert len(lines) == 1 and message in lines[0]


def test_help_lists_the_flags(capsys):
    create_pretraining_data.main(["create_pretraining_data", "--help"])
    text = capsys.readouterr().out
    assert "python -m data.create_pretraining_data" in text
    assert "--wop_prob" in text and "--num_processes" in text


def test_building_records_does_not_load_tensorflow(tmp_path):
    code = (
        "import sys; from data import create_pretraining_data as command; "
        f"command.main({_command(tmp_path / 'records')[2:]!r}); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL, check=True
    )


# What google-research/{bert,albert}/run_pretraining.py parse.
def _name_to_features(length, predictions):
    return {
        "input_ids": tf.FixedLenFeature([length], tf.int64),
        "input_mask": tf.FixedLenFeature([length], tf.int64),
        "segment_ids": tf.FixedLenFeature([length], tf.int64),
        "masked_lm_positions": tf.FixedLenFeature([predictions], tf.int64),
        "masked_lm_ids": tf.FixedLenFeature([predictions], tf.int64),
        "masked_lm_weights": tf.FixedLenFeature([predictions], tf.float32),
        "next_sentence_labels": tf.FixedLenFeature([1], tf.int64),
    }


@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_googles_specification_reads_our_records(tmp_path, model_type):
    _run(tmp_path / "records", f"--model_type={model_type}")
    shard = str(tmp_path / "records" / "pretraining-00000.tfrecord")
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = tf.data.TFRecordDataset(shard).map(
            lambda record: tf.parse_single_example(record, _name_to_features(64, 20))
        )
        batch = tf.data.make_one_shot_iterator(dataset.batch(16)).get_next()
        values = session.run(batch)
    assert values["input_ids"].shape == (16, 64)
    assert (values["input_ids"][:, 0] == CLS).all()


def test_googles_records_are_read_by_ours(tmp_path):
    checkout = upstream_checkout("bert")
    python = os.environ.get("UPSTREAM_PYTHON")
    if not python:
        pytest.skip("needs an interpreter with TensorFlow 1.15 in UPSTREAM_PYTHON")
    theirs = tmp_path / "theirs.tfrecord"
    corpus = _corpus(tmp_path, "\n".join(_sentences_of_corpus()))
    subprocess.run(
        [python, "create_pretraining_data.py", f"--input_file={corpus}"]
        + [f"--output_file={theirs}", f"--vocab_file={VOCABULARY}"]
        + ["--do_lower_case=False", "--max_seq_length=64", "--dupe_factor=30"],
        cwd=checkout,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    features = schema.pretraining_features("bert", 64, 20)
    theirs = _decoded([theirs], features)
    arguments = ["--block_bytes=1000000", "--dupe_factor=30"]
    ours = _values(tmp_path / "ours", *arguments, corpus=corpus)
    # Other random choices, so the same only on the whole.
    assert len(ours["input_ids"]) == pytest.approx(len(theirs["input_ids"]), rel=0.02)
    names = ("input_mask", "segment_ids", "masked_lm_weights", "next_sentence_labels")
    for name in names:
        assert ours[name].mean() == pytest.approx(theirs[name].mean(), rel=0.02), name
    masks = [(values["input_ids"] == MASK).mean() for values in (ours, theirs)]
    assert masks[0] == pytest.approx(masks[1], rel=0.02)
    frequencies = [
        np.bincount(_unmasked(values, "masked_lm").ravel(), minlength=len(PIECES))
        for values in (ours, theirs)
    ]
    assert np.corrcoef(*frequencies)[0, 1] > 0.999


@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_corpus_of_unknown_pieces_is_told_with_its_cause(
    tmp_path, capfd, num_processes
):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\u3069\u3046\u3082 좋다\n영화는 좋다\n\n" * 40, encoding="utf-8")
    flags = (f"--num_processes={num_processes}",)
    _run(tmp_path / "out", *flags, corpus=corpus, block_bytes=512)
    error = capfd.readouterr().err
    assert error.count("Warning: The corpus: ") == 1
    assert (
        "% of the pieces are unknown to the vocabulary, for example in '\u3069" in error
    )
    _run(tmp_path / "plain", *flags)
    assert "unknown to the vocabulary" not in capfd.readouterr().err
    entry = next(
        iter(
            manifest.load_manifest(
                str(tmp_path / "out" / "manifest.json")
            ).files.values()
        )
    )
    assert "unknown" not in entry and "example" not in entry
