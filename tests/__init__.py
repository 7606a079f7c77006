"""Tests of Jifen; each docstring is a sentence that is true of the product."""
