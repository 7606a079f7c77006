"""The benchmark of `./run bench`: how it measures is told in docs/PERFORMANCE.md.

Theory of operation
- `programme` starts a durable PostgreSQL and a Valkey of its own, migrates, and lets `seeding` fill the product's own
  tables; what was seeded is kept as a template, and every run works on a copy of it, which is dropped at the end.
- A contender (`contenders`, `pgbench`) is a process behind an address, told everything by its environment. All of them
  are up during the whole run, over the same database, with pools of the same size.
- Time is the benchmark's: every process starts at `seeding.TODAY`, and a signal moves all of them to the next day, so
  that every round of check-ins finds all members anew.
- `answers` compares what the contenders say, with instants, ids and big numbers in one notation, before `rounds` times
  anything; rounds of all contenders are shuffled. `readings` takes CPU time per process tree from the kernel.
- `load` is the client: closed loop, keep-alive, every answer judged. After writing, the product's invariants are asked.
- `test_costs` pins what does not jitter: statements per operation, and buffers of list queries.
"""
