"""isoloss: a scaling-law workbench for Transformer language models."""

__version__ = "0.1.0"
