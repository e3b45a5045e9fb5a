"""BERT's objectives: masked language model and next sentence prediction.

Source: google-research/bert, run_pretraining.py.
"""

from bert_ko.modeling import BertModel
from encoder_ko import objectives


def build(config, features, options) -> objectives.PretrainingOutput:
    """The pre-training graph of one batch; total = MLM + NSP (+ WOP if asked for).

    Args:
      config: BertConfig.
      features: int32 input_ids, input_mask, segment_ids [B, S], masked_lm_positions,
        masked_lm_ids [B, P], float32 masked_lm_weights [B, P], int32
        next_sentence_labels [B, 1] (1 = random next), and wop_... like masked_lm_...
      options: objectives.GraphOptions.
    """
    model = options.encoder(BertModel, config, features)
    return objectives.combine(
        {
            **objectives.token_objectives(model, features),
            "next_sentence": objectives.sentence_objective(
                "next_sentence", model, features["next_sentence_labels"]
            ),
        },
        {"wop": options.wop_weight},
    )
