"""Published fits made again: as their authors made them, and with the defaults here."""

from isoloss.fitting.reproducing.figures import Reproduction
from isoloss.fitting.reproducing.reproduction import reproduce, reproducible_tables

__all__ = ["Reproduction", "reproduce", "reproducible_tables"]
