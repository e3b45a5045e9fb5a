"""The page for those who come from google-research keeps what it promises.

It says that flags of upstream's which it does not name keep their names.
"""

import re

import pytest

from tests.support import documents

TPU = "gcp_project master num_tpu_cores tpu_name tpu_zone use_tpu iterations_per_loop "
TRAINING = (
    TPU + "init_checkpoint learning_rate max_seq_length output_dir train_batch_size "
    "save_checkpoints_steps do_train "
)
SQUAD = (
    TRAINING + "do_lower_case do_predict doc_stride max_answer_length "
    "max_query_length n_best_size num_train_epochs predict_batch_size predict_file "
    "train_file vocab_file warmup_proportion "
)
RECORDS = (
    "do_lower_case do_whole_word_mask dupe_factor input_file masked_lm_prob "
    "max_predictions_per_seq max_seq_length output_file random_seed short_seq_prob "
    "vocab_file "
)
PRETRAINING = (
    TRAINING + "do_eval eval_batch_size input_file max_eval_steps "
    "max_predictions_per_seq num_train_steps num_warmup_steps "
)
CLASSIFIER = (
    TRAINING + "data_dir do_eval do_lower_case do_predict eval_batch_size "
    "predict_batch_size task_name vocab_file "
)
# The flags of each script as its repository defines them.
UPSTREAM = {
    "create_pretraining_data.py (BERT)": RECORDS,
    "create_pretraining_data.py (ALBERT)": RECORDS
    + "do_permutation favor_shorter_ngram input_file_mode ngram random_next_sentence "
    "spm_model_file",
    "build_pretraining_dataset.py (ELECTRA)": "blanks-separate-docs corpus-dir "
    "do-lower-case do-strip-accents max-seq-length no-lower-case no-strip-accents "
    "num-processes output-dir vocab-file",
    "run_pretraining.py (BERT)": PRETRAINING + "bert_config_file",
    "run_pretraining.py (ALBERT)": PRETRAINING
    + "albert_config_file init_from_group0 keep_checkpoint_max masked_lm_budget "
    "optimizer poly_power start_warmup_step",
    "run_pretraining.py (ELECTRA)": "data-dir hparams model-name",
    "run_classifier.py (BERT)": CLASSIFIER
    + "bert_config_file num_train_epochs warmup_proportion",
    "run_classifier.py (ALBERT)": CLASSIFIER
    + "albert_config_file albert_hub_module_handle cached_dir export_dir "
    "keep_checkpoint_max optimizer spm_model_file threshold_to_export train_step "
    "warmup_step",
    "run_squad.py (BERT)": SQUAD
    + "bert_config_file null_score_diff_threshold verbose_logging "
    "version_2_with_negative",
    "run_squad_v1.py (ALBERT)": SQUAD
    + "albert_config_file albert_hub_module_handle export_dir predict_feature_file "
    "predict_feature_left_file spm_model_file train_feature_file use_einsum",
    "run_finetuning.py (ELECTRA)": "data-dir hparams model-name",
    "extract_features.py (BERT)": "batch_size bert_config_file do_lower_case "
    "init_checkpoint input_file layers master max_seq_length num_tpu_cores output_file "
    "use_one_hot_embeddings use_tpu vocab_file",
    "export_to_tfhub.py (ALBERT)": "albert_directory checkpoint_name do_lower_case "
    "export_path use_einsum",
}
FLAG = re.compile(r"--([\w-]+)")


def upstream_rows():
    """(scripts of upstream's, our flags, what differs) of each row of the table."""
    (table,) = [
        each.text
        for each in documents.sections(documents.MIGRATING)
        if each.title == "Commands and flags"
    ]
    for programs, differs in documents.rows(table)[1:]:
        upstream, here = programs.split("→")
        command = " ".join(documents.inline_code(here)).split()
        scripts = re.findall(r"`([\w.]+)` (\(\w+\))", upstream)
        yield (
            [" ".join(script) for script in scripts],
            documents.parse(command),
            differs,
        )


ROWS = list(upstream_rows())
each_row = pytest.mark.parametrize(
    "scripts, here, differs", ROWS, ids=[" and ".join(row[0]) for row in ROWS]
)


def test_every_script_has_its_row():
    assert {script for scripts, _, _ in ROWS for script in scripts} == set(UPSTREAM)


@each_row
def test_a_flag_that_is_not_named_keeps_its_name(scripts, here, differs):
    ours, named = set(here[1]), set(FLAG.findall(differs))
    if "instead of hyphens" in differs:
        ours |= {name.replace("_", "-") for name in ours}
    for script in scripts:
        assert set(UPSTREAM[script].split()) - ours - named == set(), script


@each_row
def test_flags_that_are_said_to_be_gone_are(scripts, here, differs):
    for words in re.findall(r"\bno ((?:`--[\w-]+`(?:, no | or |, | and )?)+)", differs):
        for flag in FLAG.findall(words):
            assert flag not in here[1], flag


@each_row
def test_flags_that_stand_for_upstreams_exist(scripts, here, differs):
    pair = r"`--([\w-]+)(?:=[^`]*)?`(?: and `--([\w-]+)`)? for `--([\w-]+)"
    for ours, also, upstreams in re.findall(pair, differs):
        assert ours in here[1] and (not also or also in here[1])
        assert upstreams not in here[1]
