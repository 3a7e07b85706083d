"""A fit and a budget become a plan: parameters, tokens, loss and a concrete shape."""

from isoloss.planning.budget import Interval, Plan
from isoloss.planning.decision import plan
from isoloss.planning.published import PublishedLaw, published_law, published_names

__all__ = ["Interval", "Plan", "PublishedLaw", "plan", "published_law", "published_names"]
