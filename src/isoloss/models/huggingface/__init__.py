"""Models of isoloss as models of Hugging Face, and back, with equal logits.

`to_huggingface` and `from_huggingface` convert in memory; `isoloss.training.exchange` converts
folders. Nothing here needs `transformers`, opens a pickle or runs code of a model.
"""

from isoloss.models.huggingface.conversion import (
    HUB_FAMILIES,
    family_for,
    from_huggingface,
    to_huggingface,
)

__all__ = [
    "HUB_FAMILIES",
    "family_for",
    "from_huggingface",
    "to_huggingface",
]
