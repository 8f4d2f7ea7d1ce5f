"""Fitting a challenger: estimators, the search for parameters, the reasons not to train."""
