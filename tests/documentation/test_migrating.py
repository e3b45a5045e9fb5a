"""The page for those who come from google-research keeps what it promises.

Every flag, hyperparameter and public name of upstream's is on it: as the same, under
another name, or as not here.
"""

import importlib
import re

import pytest

from korean_encoders.commands import electra_settings, finetune, pretrain
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
ALBERT_SQUAD = (
    SQUAD + "albert_config_file albert_hub_module_handle predict_feature_file "
    "predict_feature_left_file spm_model_file train_feature_file "
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
    "run_classifier_with_tfhub.py (BERT)": CLASSIFIER
    + "bert_config_file bert_hub_module_handle num_train_epochs warmup_proportion",
    "run_classifier.py (ALBERT)": CLASSIFIER
    + "albert_config_file albert_hub_module_handle cached_dir export_dir "
    "keep_checkpoint_max optimizer spm_model_file threshold_to_export train_step "
    "warmup_step",
    "run_squad.py (BERT)": SQUAD
    + "bert_config_file null_score_diff_threshold verbose_logging "
    "version_2_with_negative",
    "run_squad_v1.py (ALBERT)": ALBERT_SQUAD + "export_dir use_einsum",
    "run_squad_v2.py (ALBERT)": ALBERT_SQUAD + "dropout_prob end_n_top start_n_top",
    "run_finetuning.py (ELECTRA)": "data-dir hparams model-name",
    "extract_features.py (BERT)": "batch_size bert_config_file do_lower_case "
    "init_checkpoint input_file layers master max_seq_length num_tpu_cores output_file "
    "use_one_hot_embeddings use_tpu vocab_file",
    "export_to_tfhub.py (ALBERT)": "albert_directory checkpoint_name do_lower_case "
    "export_path use_einsum",
}
# Scripts of which nothing is here.
LEFT_OUT = {
    "build_openwebtext_pretraining_dataset.py (ELECTRA)",
    "export_checkpoints.py (ALBERT)",
    "flops_computation.py (ELECTRA)",
    "run_race.py (ALBERT)",
}

_MODELING = (
    "BertConfig BertModel assert_rank attention_layer create_initializer dropout "
    "create_attention_mask_from_input_mask embedding_lookup embedding_postprocessor "
    "gelu get_activation get_assignment_map_from_checkpoint get_shape_list layer_norm "
    "layer_norm_and_dropout reshape_from_matrix reshape_to_matrix transformer_model "
)
_TOKENIZATION = (
    "BasicTokenizer FullTokenizer WordpieceTokenizer _is_control _is_punctuation "
    "_is_whitespace convert_by_vocab convert_ids_to_tokens convert_to_unicode "
    "convert_tokens_to_ids load_vocab printable_text whitespace_tokenize "
)
_OPTIMIZATION = "AdamWeightDecayOptimizer create_optimizer "
# The functions and classes of each module as its repository defines them.
NAMES = {
    "bert_ko/modeling.py": _MODELING,
    "bert_ko/optimization.py": _OPTIMIZATION,
    "bert_ko/tokenization.py": _TOKENIZATION + "validate_case_matches_checkpoint",
    "albert_ko/modeling.py": _MODELING.replace("Bert", "Albert").replace(
        "create_attention_mask_from_input_mask ", ""
    )
    + "attention_ffn_block dense_layer_2d dense_layer_3d dense_layer_3d_proj "
    "dot_product_attention einsum_via_matmul get_timing_signal_1d_given_position",
    "albert_ko/optimization.py": _OPTIMIZATION,
    "albert_ko/lamb_optimizer.py": "LAMBOptimizer",
    "albert_ko/tokenization.py": _TOKENIZATION
    + "encode_ids encode_pieces preprocess_text",
    "electra_ko/configure_pretraining.py": "PretrainingConfig",
    "electra_ko/configure_finetuning.py": "FinetuningConfig",
    "electra_ko/model/modeling.py": _MODELING,
    "electra_ko/model/optimization.py": _OPTIMIZATION,
    "electra_ko/model/tokenization.py": _TOKENIZATION,
    "electra_ko/pretrain/pretrain_data.py": "Inputs features_to_inputs get_input_fn "
    "get_updated_inputs print_tokens",
    "electra_ko/pretrain/pretrain_helpers.py": "gather_positions get_candidates_mask "
    "get_vocab mask sample_from_softmax scatter_update unmask",
    "electra_ko/util/training_utils.py": "ETAHook get_bert_config secs_to_str",
    "electra_ko/util/utils.py": "flatten_dict heading load_json load_pickle log "
    "log_config mkdir nest_dict rmkdir rmrf write_json write_pickle",
}
FLAG = re.compile(r"--([\w-]+)")
CODE = re.compile(r"`([^`]+)`")


def table(title):
    """The rows of the first table below a heading, without its header."""
    (text,) = [
        each.text
        for each in documents.sections(documents.MIGRATING)
        if each.title == title
    ]
    return text, documents.rows(text.split("\n\nThese scripts")[0])[1:]


def words_of(cell):
    return " ".join(CODE.findall(cell)).split()


def renamed(cell):
    """{upstream's name: flag here} of "`a`, `b` → `--c`; ..."."""
    found = {}
    for part in filter(None, cell.split("; ")):
        names, here = part.split("→")
        found.update({name: FLAG.search(here).group(1) for name in words_of(names)})
    return found


def not_here(cell):
    """Names before the reason of each part; "the same" reasons are joined with ","."""
    parts = re.findall(r"((?:`[\w-]+`(?:, )?)+): [^;]+", cell)
    return [name for part in parts for name in words_of(part)]


def rows_of_scripts():
    for programs, same, others, gone, _ in table("Commands and flags")[1]:
        upstream, here = programs.split("→")
        words = " ".join(documents.inline_code(here)).split()
        (script,) = re.findall(r"`([\w.]+)` (\(\w+\))", upstream)
        yield " ".join(script), documents.parse(words)[1], same, others, gone


ROWS = list(rows_of_scripts())
each_row = pytest.mark.parametrize(
    "script, ours, same, others, gone", ROWS, ids=[row[0] for row in ROWS]
)


def test_every_script_has_its_row():
    assert sorted(row[0] for row in ROWS) == sorted(UPSTREAM)
    text = table("Commands and flags")[0].split("\n\nThese scripts")[1]
    named = {" ".join(s) for s in re.findall(r"\| `(\w+\.py)` (\(\w+\)) \|", text)}
    assert named == LEFT_OUT


@each_row
def test_every_flag_is_there_once(script, ours, same, others, gone):
    named = [*words_of(same), *renamed(others), *not_here(gone)]
    assert sorted(named) == sorted(UPSTREAM[script].split())


@each_row
def test_each_flag_is_what_the_table_says(script, ours, same, others, gone):
    names = {name for flag in ours for name in (flag, flag.replace("_", "-"))}
    assert set(words_of(same)) <= names
    assert set(renamed(others).values()) <= names
    assert not set(renamed(others)) & names and not set(not_here(gone)) & names


@pytest.mark.parametrize(
    "script, command, known",
    [
        ("run_pretraining.py", pretrain, electra_settings.PRETRAINING),
        ("run_finetuning.py", finetune, electra_settings.FINETUNING),
    ],
)
def test_every_hyperparameter_of_electra(script, command, known):
    (row,) = [
        row for row in table("Hyperparameters of ELECTRA")[1] if row[0] == f"`{script}`"
    ]
    same, others, gone = words_of(row[1]), renamed(row[2]), not_here(row[3])
    flags = set(documents.flags_of(command.__name__))
    assert set(same) <= flags and not set(gone) & flags
    assert others == known.flags and set(others.values()) <= flags
    given = {"model_name", "data_dir", "max_predictions_per_seq"}  # not by --hparams
    everything = set(vars(known.config_class("m", "d"))) - given
    assert sorted([*same, *others, *gone]) == sorted(everything)
    assert set(known.without_effect) | set(known.supported) <= set(gone)


def test_defaults_that_differ_are_those_of_the_commands():
    fine_tuning = documents.flags_of(finetune.__name__)
    here = {row[0]: row[2] for row in table("Defaults that differ")[1]}
    for cell, value in here.items():
        for name in FLAG.findall(cell):
            default = fine_tuning[name].value
            shown = "off" if default is False else f"{default:,g}"
            assert shown in re.split(r"[ ,;]*(?: |$)", value), name
    recipe = pretrain.RECIPES["electra"].defaults
    assert here["`--iterations_per_loop`"].startswith("200; ")
    assert recipe["iterations_per_loop"] == 200


def test_every_python_name_is_there_or_said_not_to_be():
    text, rows = table("Python names")
    found = {path.strip("`"): words_of(names) for path, names in rows}
    assert set(found) == set(NAMES)
    missing = set(words_of(text.split("Not here:")[1]))
    for path, names in found.items():
        module = importlib.import_module(path[: -len(".py")].replace("/", "."))
        for name in names:
            assert hasattr(module, name), f"{path}: {name}"
        others = set(NAMES[path].split()) - set(names)
        assert set(names) <= set(NAMES[path].split()), path
        assert others <= missing, f"{path}: {others - missing}"
        assert not [name for name in others if hasattr(module, name)]
