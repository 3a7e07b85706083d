"""Text from a trained model: sampled, greedy or by beam search, cached and in batches."""

from isoloss.tasks.generation.decoding import generate, generate_text
from isoloss.tasks.generation.results import Generation
from isoloss.tasks.generation.settings import GenerationSettings

__all__ = ["Generation", "GenerationSettings", "generate", "generate_text"]
