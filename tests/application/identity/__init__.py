"""Tests of how people and programs prove who they are."""
