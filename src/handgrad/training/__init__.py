"""A run: from a recipe and a data set to records, one an epoch.

Nothing here prints, draws or names a network's file: the loop yields what happened, and the terminal, the
notebook, the plots and the estimator each make of it what they need.
"""
