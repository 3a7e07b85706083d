"""What a trained model is used for."""

from isoloss.tasks.generation import Generation, GenerationSettings, generate, generate_text
from isoloss.tasks.opening import OpenModel, open_model

__all__ = [
    "Generation",
    "GenerationSettings",
    "OpenModel",
    "generate",
    "generate_text",
    "open_model",
]
