"""Measures what the product promises, as ratios within one run on one machine."""
