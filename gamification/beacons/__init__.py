"""Beacons: values that nobody in the house controls, mixed into the seed of a draw after its tickets are frozen.

| kind | where the value comes from | proof level |
|---|---|---|
| NONE | there is none: the committed seed decides alone | OPERATOR |
| DRAND | a round of drand's quicknet: what many independent parties sign together every three seconds | PUBLIC |
| FIGURE | a figure that others publish, such as an index, named in the terms with its source | PUBLIC |

A round is the first whose instant is not before the closing plus the delay of the terms; it is fixed and published at
closing. A figure is due at the instant that the terms name, which lies behind the closing; where the closing came too
late for that, the draw is voided, since its list could have been made to fit.

The kind and everything about it stand in the draw's frozen terms. The tickets' Merkle root is published before the
value can be known to anybody, and the seed was committed before the first ticket: whoever knows the seed does not know
the value, and whoever learns the value can change nothing any more.

    mixed seed = the seed itself (NONE), else HMAC-SHA256(seed, `beacon|<draw>|<value>`)

`value` is the round's randomness in lower-case hexadecimal, or the figure's text exactly as it was published.

A relay is never trusted. What it answers must be a round with the number that was asked for; the signature must be one
of the chain's public key over that number (BLS12-381, RFC 9380), in its one canonical encoding; and the randomness is
the SHA-256 that we compute of it. Whatever else comes is told apart (`Miss`), logged, and the next relay is asked.

What is left to whoever runs the programme, and is seen by everybody: a value that is not found, or not entered, within
24 hours voids the draw and all points go back. So a result can be refused but not chosen, and never in silence.

Invariants of draws with a beacon are kept by `draws` (B1–B3), which owns the rows.
"""
