"""Models of isoloss as models of Hugging Face, and back, with equal logits.

`to_huggingface` and `from_huggingface` convert in memory; `export_model` and `import_model`
convert folders. Nothing here needs `transformers`, opens a pickle or runs code of a model.
"""

from isoloss.models.huggingface.conversion import (
    HUB_FAMILIES,
    family_for,
    from_huggingface,
    to_huggingface,
)
from isoloss.models.huggingface.exporting import Exported, export_model
from isoloss.models.huggingface.importing import Imported, import_model

__all__ = [
    "HUB_FAMILIES",
    "Exported",
    "Imported",
    "export_model",
    "family_for",
    "from_huggingface",
    "import_model",
    "to_huggingface",
]
