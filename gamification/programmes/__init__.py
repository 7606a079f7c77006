"""Whole programmes: complete sets of policies that are published, written to a file and read from one together.

| file | what |
|---|---|
| `files.py` | what a programme is, how its file is read and checked; pure |
| `presets.py` | programmes that a new brand can start with |
| `service.py` | publishing all of one at once |
| `queries.py` | the programme in force, as a file |
"""
