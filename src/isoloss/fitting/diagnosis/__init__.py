"""What a fit is asked: checks, profiles, influence, outliers, posterior."""
