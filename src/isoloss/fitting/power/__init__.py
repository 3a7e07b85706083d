"""The plain power law of any metric, in closed form."""
