"""The tasks of KLUE, the Korean Language Understanding Evaluation, as it is published.

All of its tasks but dialogue state tracking, which is generation. The labels of test
are not public: dev is what is compared. Hyper-parameters are those of its baselines.
Source: github.com/KLUE-benchmark (KLUE, KLUE-baseline), arXiv:2105.09680.
"""

from .declarations import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    FileSet,
    FineTuningDefaults,
    Layout,
    Task,
    one_of,
)

_SOURCE = "https://github.com/KLUE-benchmark/KLUE"
_RELATIONS = (
    "no_relation org:dissolved org:founded org:place_of_headquarters "
    "org:alternate_names org:member_of org:members org:political/religious_affiliation "
    "org:product org:founded_by org:top_members/employees "
    "org:number_of_employees/members per:date_of_birth per:date_of_death "
    "per:place_of_birth per:place_of_death per:place_of_residence per:origin "
    "per:employee_of per:schools_attended per:alternate_names per:parents per:children "
    "per:siblings per:spouse per:other_family per:colleagues per:product per:religion "
    "per:title"
)
# The first 15 have a class of their own in LAS macro F1, the others are one.
_DEPENDENCIES = (
    "NP NP_AJT VP NP_SBJ VP_MOD NP_OBJ AP NP_CNJ NP_MOD VNP DP VP_AJT VNP_MOD NP_CMP "
    "VP_SBJ VP_CMP VP_OBJ VNP_CMP AP_MOD X_AJT VP_CNJ VNP_AJT IP X X_SBJ VNP_OBJ "
    "VNP_SBJ X_OBJ AP_AJT L X_MOD X_CNJ VNP_CNJ X_CMP AP_CMP AP_SBJ R NP_SVJ"
)


def _files(name: str, ending: str, *other_names: str) -> FileSet:
    return FileSet(
        **{
            split: one_of(
                *(f"{each}-v1.1_{split}.{ending}" for each in (name, *other_names))
            )
            for split in ("train", "dev", "test")
        }
    )


def _defaults(epochs, length, rate=5e-5, batch_size=32):
    return FineTuningDefaults(
        num_train_epochs=epochs,
        train_batch_size=batch_size,
        learning_rate=rate,
        max_seq_length=length,
        warmup_proportion=0.1,
    )


YNAT = Task(
    name="YNAT",
    task_type=CLASSIFICATION,
    metric="macro_f1",
    reported=("macro_f1", "accuracy"),
    file_sets=(_files("ynat", "json", "klue-tc"),),
    source=_SOURCE,
    defaults=_defaults(4, 128),
    layouts=(Layout(text_a="title", label="label", example_id="guid"),),
    label_values=("정치", "경제", "사회", "생활문화", "세계", "IT과학", "스포츠"),
)

KLUE_STS = Task(
    name="KLUE-STS",
    task_type=REGRESSION,
    metric="pearson",
    is_unordered=True,
    reported=("pearson", "f1"),
    file_sets=(_files("klue-sts", "json"),),
    source=_SOURCE,
    defaults=_defaults(4, 128),
    layouts=(
        Layout(
            text_a="sentence1",
            text_b="sentence2",
            label="labels.real-label",
            example_id="guid",
        ),
    ),
    score_range=(0.0, 5.0),
    score_threshold=3.0,
)

KLUE_NLI = Task(
    name="KLUE-NLI",
    task_type=CLASSIFICATION,
    metric="accuracy",
    file_sets=(_files("klue-nli", "json"),),
    source=_SOURCE,
    defaults=_defaults(5, 128),
    layouts=(
        Layout(
            text_a="premise",
            text_b="hypothesis",
            label="gold_label",
            example_id="guid",
        ),
    ),
    label_values=("entailment", "contradiction", "neutral"),
)

KLUE_NER = Task(
    name="KLUE-NER",
    task_type=TAGGING,
    metric="entity_macro_f1",
    reported=("entity_macro_f1", "character_macro_f1"),
    file_sets=(_files("klue-ner", "tsv"),),
    source=_SOURCE,
    defaults=_defaults(3, 510),
    label_values=tuple(
        f"{position}-{name}"
        for name in ("PS", "LC", "OG", "DT", "TI", "QT")
        for position in "BI"
    )
    + ("O",),
    by_character=True,
)

KLUE_RE = Task(
    name="KLUE-RE",
    task_type=CLASSIFICATION,
    metric="micro_f1",
    reported=("micro_f1", "auprc"),
    file_sets=(_files("klue-re", "json"),),
    source=_SOURCE,
    defaults=_defaults(3, 256),
    layouts=(
        Layout(
            text_a="sentence",
            label="label",
            example_id="guid",
            entities=(("subject_entity", "subj"), ("object_entity", "obj")),
        ),
    ),
    label_values=tuple(_RELATIONS.split()),
    negative_label="no_relation",
)

KLUE_MRC = Task(
    name="KLUE-MRC",
    task_type=QUESTION_ANSWERING,
    metric="rouge_w",
    reported=("exact_match", "rouge_w"),
    file_sets=(_files("klue-mrc", "json"),),
    source=_SOURCE,
    defaults=_defaults(5, 510, rate=3e-5, batch_size=16),
    unanswerable=True,
)

KLUE_DP = Task(
    name="KLUE-DP",
    task_type=DEPENDENCY_PARSING,
    metric="las_macro_f1",
    reported=("uas_macro_f1", "las_macro_f1"),
    file_sets=(_files("klue-dp", "tsv"),),
    source=_SOURCE,
    defaults=_defaults(10, 256),
    label_values=tuple(_DEPENDENCIES.split()),
)

TASKS = (YNAT, KLUE_STS, KLUE_NLI, KLUE_NER, KLUE_RE, KLUE_MRC, KLUE_DP)
