"""Laws ranked by their error on runs that they were not fitted to."""
