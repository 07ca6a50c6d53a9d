"""Tests of credit decisions: the tables, and the judge that never says yes in doubt."""
