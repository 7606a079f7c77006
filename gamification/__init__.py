"""Jifen's product: every folder is a feature, read `core` for how a change is made."""
