"""--runner and the options after --: what does not fit is one clear line."""

import importlib.util
import sys

import pytest

from data import create_pretraining_data
from data.beam import runner
from data.io.errors import InputError

HAS_BEAM = importlib.util.find_spec("apache_beam") is not None
needs_beam = pytest.mark.skipif(not HAS_BEAM, reason="needs Apache Beam")
DIRECT, DATAFLOW = "--runner=DirectRunner", "--runner=DataflowRunner"


def refusal(*words):
    with pytest.raises(InputError) as raised:
        create_pretraining_data.main(["command", "--input_file=no.txt", *words])
    return str(raised.value)


def test_words_after_two_dashes_are_beams():
    words = ["command", "--runner=DirectRunner", "--", "--a=1", "--", "--b"]
    assert runner.split_options(words) == (words[:2], ["--a=1", "--", "--b"])
    assert runner.split_options(words[:2]) == (words[:2], [])


def test_without_beam_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.setattr(runner, "_OLDEST_PYTHON", (3, 7))
    assert refusal(DIRECT) == (
        "--runner needs Apache Beam, which is not installed: pip install "
        "'korean-encoders[beam]' (in a checkout: pip install -e '.[beam]')."
    )


def test_an_older_python_has_no_beam(monkeypatch):
    monkeypatch.setattr(runner, "_OLDEST_PYTHON", (4, 0))
    assert refusal(DIRECT) == (
        "--runner needs Apache Beam, which here is for Python 3.10 and 3.11, not for "
        f"{sys.version_info[0]}.{sys.version_info[1]}. Leave it out, or use another "
        "environment."
    )


def test_beams_options_need_a_runner():
    assert refusal("--", "--direct_num_workers=2") == (
        "What stands after -- are options of Apache Beam: pass --runner, too."
    )


def test_processes_are_for_this_machine():
    assert refusal(DIRECT, "--num_processes=2").startswith(
        "--num_processes is for this machine alone. With --runner, Beam's options say"
    )


@needs_beam
@pytest.mark.parametrize(
    "words, message",
    [
        (
            (DIRECT, "--", "--direct_num_worker=2"),
            "--direct_num_worker is no option of Beam's DirectRunner. Did you mean "
            "--direct_num_workers?",
        ),
        (
            (DIRECT, "--", "direct_num_workers=2"),
            "Options of Beam are --name=value, which 'direct_num_workers=2' is not.",
        ),
        (
            (DIRECT, "--", "--direct_num_workers", "two"),
            "Options of Beam: argument --direct_num_workers: invalid int value: 'two'.",
        ),
        (
            (DIRECT, "--", "--direct_num_workers=-1"),
            "Options of Beam: --direct_num_workers=-1: pass 1 or more, or 0 for one "
            "worker for each core.",
        ),
        (
            (DIRECT, "--", DATAFLOW),
            "--runner stands before --, Beam's other options after it.",
        ),
    ],
)
def test_wrong_options_are_named(words, message):
    assert refusal(*words) == message


@needs_beam
def test_what_dataflow_lacks_is_named():
    assert "Missing required option: project." in refusal(DATAFLOW)


@needs_beam
def test_dataflow_takes_no_files_of_this_machine():
    options = ["--project=mine", "--region=asia-northeast3"]
    options += ["--temp_location=gs://bucket/t", "--staging_location=gs://bucket/s"]
    dataflow = runner.BeamRunner("DataflowRunner", options)
    dataflow.require_reachable(input_file=["gs://bucket/corpus.txt"])
    with pytest.raises(InputError) as raised:
        dataflow.require_reachable(vocab_file=["gs://bucket/vocab.txt", "vocab.txt"])
    assert str(raised.value) == (
        "--vocab_file=vocab.txt: Dataflow's workers do not see the files of this "
        "machine. Pass a URL, such as gs://bucket/corpus.txt."
    )


@needs_beam
def test_several_local_workers_are_processes():
    from apache_beam.options.pipeline_options import DirectOptions

    two = runner.BeamRunner("DirectRunner", ["--direct_num_workers=2"])
    mode = two._options.view_as(DirectOptions).direct_running_mode
    assert mode == "multi_processing"
