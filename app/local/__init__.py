"""PostgreSQL and Valkey of our own, started as children from wheels, and the programme that `./run` serves on them.

Theory of operation
- One folder (`.jifen/`) holds everything that is kept: `postgres/`, `valkey/`, `logs/`, `secrets.json`,
  `tokens.json`, and `endpoints.json` while it serves.
- The first start migrates and seeds, which loads the whole product; a later one looks whether all that is there, starts
  the programs, and tries the tokens it kept. Addresses are shown when every program serves and every token is accepted.
- Every child is started through `bound.py`, which asks the kernel to end the child when its parent dies. So nothing
  survives a launcher that is killed; PostgreSQL gets SIGINT then, and stops cleanly.
- A lock on the folder itself lets one programme serve from it; the lock ends with its holder, so it can never be stale.
- `DATABASE_URL` or `REDIS_URL` given: that store is used as it is and nothing local is started for it.
"""
