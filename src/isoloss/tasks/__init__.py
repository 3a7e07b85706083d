"""What a trained model is used for: so far, text generation."""

from isoloss.tasks.generation import generate_text

__all__ = ["generate_text"]
