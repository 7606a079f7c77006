-- What the peers of the benchmark call, in a schema of its own: policies as tables, which the product keeps in memory;
-- computed columns in PostGraphile's manner; and for each verb that is timed one function, which writes what the product writes.

CREATE SCHEMA bench;

CREATE TABLE bench.tier AS
    SELECT place, tier ->> 'code' AS code, tier ->> 'name_zh' AS name, (tier ->> 'threshold')::bigint AS threshold
    FROM policy_version CROSS JOIN LATERAL jsonb_array_elements(body -> 'tiers') WITH ORDINALITY AS tiers(tier, place)
    WHERE kind = 'tiers';
CREATE TABLE bench.ladder_step AS
    SELECT place, (step ->> 'from_fen')::bigint AS from_fen, (step ->> 'rate_bp')::int AS rate_bp
    FROM policy_version CROSS JOIN LATERAL jsonb_array_elements(body -> 'ladder') WITH ORDINALITY AS steps(step, place)
    WHERE kind = 'earning';
CREATE TABLE bench.daily_points AS
    SELECT array_agg(points::int ORDER BY place) AS points
    FROM policy_version CROSS JOIN LATERAL
        jsonb_array_elements_text(body -> 'daily_points') WITH ORDINALITY AS days(points, place)
    WHERE kind = 'checkins';
CREATE TABLE bench.sentence (rule text PRIMARY KEY, text text NOT NULL); -- filled by programme.py from the product's
ANALYZE bench.tier, bench.ladder_step, bench.daily_points;

CREATE TYPE bench.points_balance AS
    (member_id uuid, available bigint, pending bigint, held bigint, debt bigint, growth bigint);
CREATE TYPE bench.expiring_points AS (expires_at timestamptz, points bigint);
CREATE TYPE bench.tier_view AS (code text, name text);
CREATE TYPE bench.tier_progress AS
    (current bench.tier_view, since timestamptz, next bench.tier_view, missing bigint);
CREATE TYPE bench.step_ahead AS (missing_fen bigint, rate_bp int, gain bigint);
CREATE TYPE bench.ladder_month AS
    (month date, net_fen bigint, rate_bp int, points bigint, next_step bench.step_ahead);
CREATE TYPE bench.reward AS ("on" date, points bigint);
CREATE TYPE bench.check_in_state AS (today date, is_checked_in boolean, streak int, latest_on date);
CREATE TYPE bench.checked_in AS
    (business_date date, streak int, cycle_day int, points bigint, available bigint, already_checked_in boolean);
CREATE TYPE bench.ticket_bought AS (points bigint, available bigint, ticket_id uuid);

-- Reads -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION bench.today() RETURNS date LANGUAGE sql STABLE AS
    $$ SELECT current_setting('bench.today')::date $$;
CREATE FUNCTION bench.instant() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT current_setting('bench.instant')::timestamptz $$;

CREATE FUNCTION bench.me() RETURNS member LANGUAGE sql STABLE AS
    $$ SELECT * FROM member WHERE id = nullif(current_setting('bench.member_id', true), '')::uuid $$;

CREATE FUNCTION bench.member_points(m member) RETURNS bench.points_balance LANGUAGE sql STABLE AS $$
    SELECT ROW(m.id, p.available, p.pending, p.held, p.debt, g.available)::bench.points_balance
    FROM account p JOIN account g ON g.member_id = p.member_id AND g.currency = 'GROWTH'
    WHERE p.member_id = m.id AND p.currency = 'POINTS'
$$;
CREATE FUNCTION bench.points_balance_expiring(b bench.points_balance) RETURNS bench.expiring_points[]
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(ROW(expires_at, points)::bench.expiring_points ORDER BY expires_at), '{}')
    FROM (SELECT expires_at, sum(remaining)::bigint AS points FROM lot
          WHERE member_id = b.member_id AND currency = 'POINTS' AND open AND expires_at > bench.instant()
          GROUP BY expires_at) bucket
$$;

CREATE FUNCTION bench.member_tier_progress(m member) RETURNS bench.tier_progress LANGUAGE sql STABLE AS $$
    SELECT ROW(ROW(t.code, t.name)::bench.tier_view, s.since,
               CASE WHEN n.code IS NOT NULL THEN ROW(n.code, n.name)::bench.tier_view END,
               greatest(n.threshold - g.available, 0))::bench.tier_progress
    FROM account g
    LEFT JOIN tier_standing s ON s.member_id = g.member_id
    JOIN bench.tier t ON CASE WHEN s.tier_code IS NULL THEN t.place = 1 ELSE t.code = s.tier_code END
    LEFT JOIN bench.tier n ON n.place = t.place + 1
    WHERE g.member_id = m.id AND g.currency = 'GROWTH'
$$;

CREATE FUNCTION bench.rate(net bigint) RETURNS int LANGUAGE sql STABLE AS
    $$ SELECT coalesce(max(rate_bp), 0) FROM bench.ladder_step WHERE from_fen <= net $$;
CREATE FUNCTION bench.ladder_at(at date, net bigint, points bigint) RETURNS bench.ladder_month LANGUAGE sql STABLE AS $$
    SELECT ROW(at, net, bench.rate(net), points, (
        SELECT ROW(from_fen - net, rate_bp, from_fen * rate_bp / 10000 - net * bench.rate(net) / 10000)::bench.step_ahead
        FROM bench.ladder_step WHERE from_fen > net ORDER BY from_fen LIMIT 1))::bench.ladder_month
$$;
CREATE FUNCTION bench.member_ladder(m member) RETURNS bench.ladder_month LANGUAGE sql STABLE AS $$
    SELECT bench.ladder_at(first.day, coalesce(s.net_fen, 0), coalesce(s.ladder_points, 0))
    FROM (SELECT date_trunc('month', bench.today())::date AS day) first
    LEFT JOIN month_spend s ON s.member_id = m.id AND s.month = first.day
$$;

CREATE FUNCTION bench.entry_points(e entry) RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT e.available_delta + e.pending_delta + e.held_delta - e.debt_delta $$;
CREATE FUNCTION bench.entry_explanation(e entry) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT replace(replace(text, '{cycle_day}', coalesce(e.trace ->> 'cycle_day', '')),
                   '{result}', coalesce(e.trace ->> 'result', ''))
    FROM bench.sentence WHERE rule = e.trace ->> 'rule'
$$;

CREATE FUNCTION bench.check_in_state() RETURNS bench.check_in_state LANGUAGE sql STABLE AS $$
    SELECT ROW(bench.today(), coalesce(c.business_date = bench.today(), false),
               CASE WHEN c.business_date >= bench.today() - 1 THEN c.business_date - c.run_first_on + 1 ELSE 0 END,
               c.business_date)::bench.check_in_state
    FROM (SELECT) one LEFT JOIN LATERAL (
        SELECT business_date, run_first_on FROM check_in
        WHERE member_id = nullif(current_setting('bench.member_id', true), '')::uuid
        ORDER BY business_date DESC LIMIT 1) c ON true
$$;
CREATE FUNCTION bench.check_in_state_next_rewards(s bench.check_in_state, count int) RETURNS bench.reward[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(ROW(s.today + ahead + s.is_checked_in::int,
                         p.points[(s.streak + ahead) % cardinality(p.points) + 1])::bench.reward ORDER BY ahead)
    FROM bench.daily_points p CROSS JOIN generate_series(0, count - 1) AS ahead
$$;

-- Writes ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION bench.check_in_of(p_member uuid, p_today date, p_at timestamptz) RETURNS bench.checked_in
LANGUAGE plpgsql AS $$
DECLARE
    a account; latest check_in; daily int[]; first_on date; streak int; cycle_day int; paid bigint; ends timestamptz;
BEGIN
    SELECT * INTO STRICT a FROM account WHERE member_id = p_member AND currency = 'POINTS' FOR NO KEY UPDATE;
    SELECT * INTO latest FROM check_in WHERE member_id = p_member ORDER BY business_date DESC LIMIT 1;
    SELECT points INTO daily FROM bench.daily_points;
    IF latest.business_date >= p_today THEN
        streak := latest.business_date - latest.run_first_on + 1;
        cycle_day := (streak - 1) % cardinality(daily) + 1;
        RETURN ROW(latest.business_date, streak, cycle_day, latest.points, a.available, true);
    END IF;
    first_on := CASE WHEN latest.business_date = p_today - 1 THEN latest.run_first_on ELSE p_today END;
    streak := p_today - first_on + 1;
    cycle_day := (streak - 1) % cardinality(daily) + 1;
    paid := daily[cycle_day];
    ends := (date_trunc('month', p_today) + interval '13 months')::timestamp AT TIME ZONE 'Asia/Shanghai';
    UPDATE account SET version = version + 1, seq = seq + 1, available = available + paid, accrued = accrued + paid,
        next_due_at = least(next_due_at, ends) WHERE member_id = p_member AND currency = 'POINTS';
    INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
        held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
    VALUES (p_member, 'POINTS', a.seq + 1, 'ACCRUAL', 'check_in', p_today::text, paid, 0, 0, 0,
        a.available + paid, a.pending, a.held, a.debt, p_at, p_at, p_today,
        jsonb_build_object('rule', 'check_in', 'policy', jsonb_build_array('checkins', 1), 'streak', streak,
                           'cycle_day', cycle_day, 'result', paid));
    INSERT INTO lot (member_id, currency, seq, line, original, remaining, expired, open, pending, activates_at,
        expires_at, policy_version)
    VALUES (p_member, 'POINTS', a.seq + 1, 0, paid, paid, 0, true, false, p_at, ends, 1);
    INSERT INTO check_in (member_id, business_date, run_first_on, points, policy_version, entry_seq, checked_in_at)
    VALUES (p_member, p_today, first_on, paid, 1, a.seq + 1, p_at);
    RETURN ROW(p_today, streak, cycle_day, paid, a.available + paid, false);
END $$;

CREATE FUNCTION bench.buy_ticket_of(p_member uuid, p_draw uuid, p_key text, p_today date, p_at timestamptz)
RETURNS bench.ticket_bought LANGUAGE plpgsql AS $$
DECLARE
    a account; d draw; l lot; stored jsonb; ticket_id uuid; wanted bigint; part bigint; place int := 0;
BEGIN
    SELECT * INTO STRICT a FROM account WHERE member_id = p_member AND currency = 'POINTS' FOR NO KEY UPDATE;
    SELECT answer INTO stored FROM receipt
    WHERE actor = 'member:' || p_member AND operation = 'draws.buy_ticket' AND key = p_key;
    IF FOUND THEN
        RETURN ROW((stored ->> 'points')::bigint, (stored ->> 'available')::bigint, (stored ->> 'ticket_id')::uuid);
    END IF;
    SELECT * INTO STRICT d FROM draw
    WHERE id = p_draw AND state = 'OPEN' AND opens_at <= p_at AND closes_at > p_at FOR KEY SHARE;
    IF a.available < d.ticket_points THEN
        RAISE EXCEPTION 'not enough points';
    END IF;
    ticket_id := uuidv7();
    wanted := d.ticket_points;
    FOR l IN SELECT * FROM lot WHERE member_id = p_member AND currency = 'POINTS' AND open AND NOT pending
             ORDER BY expires_at, activates_at, seq, line LOOP
        part := least(l.remaining, wanted);
        UPDATE lot SET remaining = remaining - part, open = remaining > part
        WHERE member_id = p_member AND currency = 'POINTS' AND seq = l.seq AND line = l.line;
        INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points, place)
        VALUES (p_member, 'POINTS', a.seq + 1, l.seq, l.line, part, place);
        wanted := wanted - part;
        place := place + 1;
        EXIT WHEN wanted = 0;
    END LOOP;
    UPDATE account SET version = version + 1, seq = seq + 1, available = available - d.ticket_points,
        redeemed = redeemed + d.ticket_points WHERE member_id = p_member AND currency = 'POINTS';
    INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
        held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
    VALUES (p_member, 'POINTS', a.seq + 1, 'REDEMPTION', 'ticket', ticket_id::text, -d.ticket_points, 0, 0, 0,
        a.available - d.ticket_points, a.pending, a.held, a.debt, p_at, p_at, p_today,
        jsonb_build_object('rule', 'draw_ticket', 'draw', p_draw, 'terms', encode(d.terms_hash, 'hex'),
                           'result', d.ticket_points));
    INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
    VALUES (p_member, p_draw, ticket_id, d.ticket_points, a.seq + 1, p_at, p_today);
    INSERT INTO receipt (member_id, actor, operation, key, fingerprint, refusal, answer, created_at)
    VALUES (p_member, 'member:' || p_member, 'draws.buy_ticket', p_key, sha256(convert_to(p_draw::text, 'UTF8')), false,
        jsonb_build_object('points', d.ticket_points, 'available', a.available - d.ticket_points,
                           'ticket_id', ticket_id), p_at);
    RETURN ROW(d.ticket_points, a.available - d.ticket_points, ticket_id);
END $$;

-- PostGraphile's mutations, for the member whom the request's settings name.
CREATE FUNCTION bench.check_in() RETURNS bench.checked_in LANGUAGE sql VOLATILE AS
    $$ SELECT bench.check_in_of(current_setting('bench.member_id')::uuid, bench.today(), bench.instant()) $$;
CREATE FUNCTION bench.buy_draw_ticket(draw_id uuid, idempotency_key text) RETURNS bench.ticket_bought
LANGUAGE sql VOLATILE AS $$
    SELECT bench.buy_ticket_of(current_setting('bench.member_id')::uuid, draw_id, idempotency_key, bench.today(),
                               bench.instant())
$$;

COMMENT ON TABLE entry IS E'@foreignKey (member_id) references member (id)|@foreignFieldName entries';
