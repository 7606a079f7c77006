"""Draws: tickets bought in points, winners by a committed seed, prizes granted exactly once by a job.

| state | what it means | leads to |
|---|---|---|
| DRAFT | being planned; nobody but staff sees it | OPEN (staff), VOIDED (staff) |
| OPEN | terms and commitment are published and frozen; tickets sell in their time | CLOSED (time), VOIDED (staff) |
| CLOSED | tickets are numbered, their Merkle root is published; a beacon may be awaited | DRAWN, VOIDED (time) |
| DRAWN | the seed is revealed, the winners are fixed | SETTLING |
| SETTLING | prizes are being granted, or claimed; stays so while a single one is owed or can be claimed | SETTLED |
| SETTLED | every win has its grant, or has lapsed | |
| VOIDED | nobody wins; the price of every ticket that cost something goes back to the lots it came from | |

How chance works (algorithm `jifen-draw-2`; without a beacon the proof level is OPERATOR: nothing can be changed after
the commitment, but whoever knows the seed could have known the result):

- At opening a 32-byte seed is drawn; its SHA-256, the commitment, stands in the frozen terms. A ticket's receipt names
  the commitment and the hash of the terms.
- At closing tickets are numbered from 1 in the order of their ids, which grow with time. The leaf of a ticket is the
  text `draw|number|ticket|buyer` in ASCII, ids in lower case with hyphens, and `buyer` a pseudonym of the member in
  this draw alone: the first 16 bytes of SHA-256(salt ‖ member id) in hexadecimal. The salt is kept secret, so that
  nobody links buyers across draws. The root is the RFC 9162 tree hash of the leaves in the order of their numbers.
- Where the terms name a beacon (`gamification/beacons`), its value is mixed into the seed and the proof level is
  PUBLIC: nobody could know it before the list was frozen. `jifen-draw-1`, of draws opened earlier, knows no beacons.
- Tickets are ordered by HMAC-SHA256(mixed seed, `draw|number`). Prizes are filled in their declared order, each unit by
  the first ticket in that order that has won nothing yet and whose buyer is below the prize's limit per member. Wins
  are ranked from 1 in the order in which they are filled. Prizes without tickets stay unawarded, and are counted.
- The next tickets in the order that have won nothing are the reserves. Where prizes are claimed, a win that is not
  claimed before its `claim_until` lapses; in order of rank each prize that lapsed goes to the first reserve that is
  unused and whose buyer is below the prize's limit, as a further win (`promotions.py`).

How nothing is lost or done twice: every step commits together with the outbox row of the next one. A sale holds the
draw FOR KEY SHARE and a closing takes it FOR UPDATE, so no sale is in flight when tickets are numbered. A grant is one
command of the write path: entry, lot and `draw_grant` row in one statement under the natural key
(`draw_win`, `draw:rank`), so a crash between any two of them leaves neither. Claims are closed up to an instant, after
all claims in flight, before what was due until then lapses: a win is granted or lapses, never both.

Invariants (`invariants.py`):

D1  every ticket that is not free has exactly one price entry, and every price entry its ticket
D2  nobody holds more tickets of a draw than its limits allow, in all and by business day; the first so many are free
D3  numbers of a closed draw run from 1 to its ticket count without gaps, one for each ticket
D4  a win is of a numbered ticket and pays what its prize declares; lapsed wins apart, no prize is won too often
D5  wins and unawarded prizes of the drawing add up to what was declared; lapses and promotions are as counted, so that
    wins that stand (wins + promoted - lapsed) and prizes nobody gets (unawarded + lapsed - promoted) do so too
D6  points issued by a draw equal the prizes granted, each once, to the member who bought the ticket
D7  a settled draw has a grant for every win that stands; a draw that is not yet drawn has no win
D8  a voided draw whose restoration is finished has given back every ticket's price
D9  a revealed seed is the committed one
D10 a win is claimed in its time or lapses after it, never both
D11 what lapses goes to a ticket in line that had won nothing, once
B1  a draw with a beacon is drawn with its value, and only such a draw has one
B2  a value was due after the closing, and known when it was due or later
B3  the beacon is the one of the published terms, and its round the first after closing and delay

Lock order: accounts ascending, then the draw.
"""
