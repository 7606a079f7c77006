"""Compiled execution of GraphQL: an operation becomes Python that fills a whole level of the answer at a time.

This room knows GraphQL, strawberry and nothing of what is executed with them; `docs/EXECUTION.md` tells how it works.

    selections.py     which fields a selection set comes to, for one type
    plans.py          what an operation is compiled to
    planning.py       makes the plans            resolvers.py  how a field gets its value
    writing.py        writes their Python        arguments.py  what a resolver is given
    leaves.py         how leaves are recognised  classes.py    which class stands for which type
    running.py        the state of an execution  info.py       what a resolver may ask
    completion.py     values that the written Python does not recognise
    settling.py       what has to be awaited     batches.py    resolvers that take all objects of a level
    straight.py       queries for which nothing is waited   gates.py  who may come to a field
    failures.py       errors, their paths, and the nulls that follow
    operations.py     compiled operations, kept and executed
    subscriptions.py  the same for each event of a subscription

Invariants

1. An answer is the answer of graphql-core: its data always, its errors as far as they are not a matter of time.
2. What cannot be compiled is executed by graphql-core as a whole, and nothing of it was executed before.
3. Every answer that is begun hangs in the whole answer before anything below it is asked for, and is never replaced
   until the end: so paths need not be kept, and are found when an error or a resolver asks for one.
4. The written Python decides nothing about errors, nulls and types: what it does not recognise is completed value by
   value.
"""
