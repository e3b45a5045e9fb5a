"""What fine-tuning needs to know of BERT."""

from bert_ko.modeling import BertConfig, BertModel
from bert_ko.optimization import create_optimizer
from encoder_ko import heads
from encoder_ko.finetuning import Family

FAMILY = Family("bert", BertConfig, BertModel, heads.classifier_head, create_optimizer)
