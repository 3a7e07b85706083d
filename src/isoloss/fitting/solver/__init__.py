"""What minimises: the objective, the law's free parameters, and the search for the optimum."""
