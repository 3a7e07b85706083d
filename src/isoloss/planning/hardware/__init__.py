"""Devices, and what a model needs of them: memory, layout, time, energy, money, serving."""

from isoloss.planning.hardware.choice import HardwareChoice, hardware_choice
from isoloss.planning.hardware.cost import Cost, cost_of, cost_of_flops, flops_of, utilisation_of
from isoloss.planning.hardware.degrees import Degrees
from isoloss.planning.hardware.devices import Device, device, hardware_names
from isoloss.planning.hardware.layout import Layout, layout_for, layout_of
from isoloss.planning.hardware.measuring import measured_utilisation
from isoloss.planning.hardware.memory import (
    TrainingMemory,
    TrainingSettings,
    cache_bytes_per_token,
    training_memory,
    weight_bytes,
)
from isoloss.planning.hardware.ranges import Range
from isoloss.planning.hardware.serving import Serving, max_batch, serving_of

__all__ = [
    "Cost",
    "Degrees",
    "Device",
    "HardwareChoice",
    "Layout",
    "Range",
    "Serving",
    "TrainingMemory",
    "TrainingSettings",
    "cache_bytes_per_token",
    "cost_of",
    "cost_of_flops",
    "device",
    "flops_of",
    "hardware_choice",
    "hardware_names",
    "layout_for",
    "layout_of",
    "max_batch",
    "measured_utilisation",
    "serving_of",
    "training_memory",
    "utilisation_of",
    "weight_bytes",
]
