"""Wins are looked up by their keys, whatever the planner believes of tables that were empty a minute ago."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# A statement that was planned while nothing had been granted yet keeps reading the grants from end to end, five hundred
# times a chunk, until the table is analysed: a draw of 100,000 wins took a minute. Only lookups are allowed here.
BY_KEY = "SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

WINS_BY_KEY = f"""CREATE FUNCTION wins_by_key(p_draws uuid[], p_ranks int[])
RETURNS TABLE (member_id uuid, draw_id uuid, rank int, prize_place int, points bigint, entry_seq bigint)
LANGUAGE plpgsql STABLE {BY_KEY} AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT w.member_id, w.draw_id, w.rank, w.prize_place, w.points, g.entry_seq
    FROM unnest(p_draws, p_ranks) AS wanted(draw_id, rank)
    JOIN draw_win w ON w.draw_id = wanted.draw_id AND w.rank = wanted.rank
    LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank;
END $function$"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0020_draw_gates")]

    initial = False

    operations = [ops.RunSQL([WINS_BY_KEY])]
