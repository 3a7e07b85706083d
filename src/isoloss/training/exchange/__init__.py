"""Folders of trained models to Hugging Face, and from it; the conversion itself is of `models`."""

from isoloss.training.exchange.exporting import Exported, export_model
from isoloss.training.exchange.importing import Imported, import_model

__all__ = ["Exported", "Imported", "export_model", "import_model"]
