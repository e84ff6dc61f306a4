"""Linkage models (链接模型): blocking rules, comparison levels and match weights of one entity, as readable JSON.

A model is trained rarely (`onefact model train`), kept with its version, and used by every run until the next; so links
depend on the records and the model alone, never on the order or the size of the batches.
"""

from linkage.model.schema import Blocking, Comparison, GuardRule, Level, Model, ModelInvalid, TermFrequency, Thresholds
from linkage.model.store import load, save, shipped, shipped_names

__all__ = [
    "Blocking",
    "Comparison",
    "GuardRule",
    "Level",
    "Model",
    "ModelInvalid",
    "TermFrequency",
    "Thresholds",
    "load",
    "save",
    "shipped",
    "shipped_names",
]
