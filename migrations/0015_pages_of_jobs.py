"""What jobs read page by page stands in the index in the order of the pages: who is due, and the wins of a draw."""

from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from gamification.core.indexes import WhereIndex

# A draw's wins and tickets come all at once, before anything is known of how many they are: a planner that expects a
# handful reads and sorts all of them for every page. So the order of the index is the only one that it may use here.
IN_INDEX_ORDER = "SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off SET enable_hashjoin = off"

OWED_WINS = f"""CREATE FUNCTION owed_wins(p_draw uuid, p_member uuid, p_rank int, p_limit int)
RETURNS TABLE (member_id uuid, rank int) LANGUAGE plpgsql STABLE {IN_INDEX_ORDER} AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT w.member_id, w.rank FROM draw_win w
    WHERE w.draw_id = p_draw AND (w.member_id, w.rank) > (p_member, p_rank)
      AND (SELECT g.rank FROM draw_grant g WHERE g.draw_id = p_draw AND g.rank = w.rank) IS NULL
    ORDER BY w.member_id, w.rank LIMIT p_limit;
END $function$"""

OWED_TICKETS = f"""CREATE FUNCTION owed_tickets(p_draw uuid, p_ticket uuid, p_limit int)
RETURNS TABLE (member_id uuid, id uuid, entry_seq bigint) LANGUAGE plpgsql STABLE {IN_INDEX_ORDER} AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT t.member_id, t.id, t.entry_seq FROM ticket t
    WHERE t.draw_id = p_draw AND t.id > p_ticket
      AND (SELECT r.ticket_id FROM ticket_restoration r WHERE r.draw_id = p_draw AND r.ticket_id = t.id) IS NULL
    ORDER BY t.id LIMIT p_limit;
END $function$"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0014_expiry_notice_days")]

    initial = False

    operations = [
        ops.RemoveIndex("Account", name="account_due"),
        ops.AddIndex(
            "Account",
            WhereIndex(fields=["next_due_at", "member_id"], name="account_due", where="next_due_at IS NOT NULL"),
        ),
        ops.RemoveIndex("DrawWin", name="draw_win_of_member"),
        ops.AddIndex("DrawWin", Index(fields=["draw_id", "member_id", "rank"], name="draw_win_by_winner")),
        ops.RunSQL([OWED_WINS, OWED_TICKETS]),
    ]
