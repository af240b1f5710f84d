"""How fast handgrad is, as ratios that a person can measure again. Nothing in the package imports this."""
