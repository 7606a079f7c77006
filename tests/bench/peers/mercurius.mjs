// Mercurius with its JIT and batch loaders over plain SQL, which is how its documentation makes it fast.
import { readFileSync } from "node:fs";
import Fastify from "fastify";
import mercurius from "mercurius";
import { dayOf, holderOf, now, pool, port } from "./common.mjs";

const base64 = (text) => Buffer.from(text).toString("base64");
const query = async (name, text, values) => (await pool.query({ name, text, values })).rows;
const byMember = (rows) => new Map(rows.map((row) => [row.member_id, row]));

const tiers = await query("tiers", "SELECT code, name, threshold FROM bench.tier ORDER BY place", []);
const steps = await query("steps", "SELECT from_fen, rate_bp FROM bench.ladder_step ORDER BY place", []);
const sentences = new Map(
  (await query("sentences", "SELECT rule, text FROM bench.sentence", [])).map(({ rule, text }) => [rule, text]),
);
const [{ points: dailyPoints }] = await query("daily", "SELECT points FROM bench.daily_points", []);

const rateAt = (net) => steps.reduce((rate, step) => (step.from_fen <= net ? step.rate_bp : rate), 0);
const pointsAt = (net) => Math.floor((net * rateAt(net)) / 10_000);
const addDays = (day, days) => new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);

const explanation = ({ trace }) => sentences.get(trace.rule)?.replace(/\{(\w+)\}/g, (_, name) => trace[name]);

function ladderOf(month, net, points) {
  const next = steps.find((step) => step.from_fen > net);
  const nextStep = next && {
    missingFen: next.from_fen - net,
    rateBp: next.rate_bp,
    gain: pointsAt(next.from_fen) - pointsAt(net),
  };
  return { month, netFen: net, rateBp: rateAt(net), points, nextStep };
}

function progressOf(row) {
  const place = row.tier_code === null ? 0 : tiers.findIndex((tier) => tier.code === row.tier_code);
  const next = tiers[place + 1] ?? null;
  const missing = next && Math.max(next.threshold - row.growth, 0);
  return { current: tiers[place], since: row.since, next, missing };
}

const memberOf = (row) => ({
  key: row.id,
  id: base64(`Member:${row.id}`),
  number: row.number,
  nickname: row.nickname,
  status: row.status,
  joinedAt: row.joined_at,
});
const MEMBER = "id, number, nickname, status, joined_at";

async function members(_, { first, after }) {
  const page = await query(
    "members",
    `SELECT ${MEMBER} FROM member WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2`,
    [after ? Buffer.from(after, "base64").toString() : null, first + 1],
  );
  const shown = page.slice(0, first);
  return {
    edges: shown.map((row) => ({ node: memberOf(row) })),
    pageInfo: { hasNextPage: page.length > first, endCursor: shown.length ? base64(shown.at(-1).id) : null },
  };
}

async function checkInState(_, __, { holder, instant }) {
  const today = dayOf(instant);
  const [latest] = await query(
    "latest",
    "SELECT business_date, run_first_on FROM check_in WHERE member_id = $1 ORDER BY business_date DESC LIMIT 1",
    [holder],
  );
  const isCheckedIn = latest?.business_date === today;
  const goesOn = latest && latest.business_date >= addDays(today, -1);
  const streak = goesOn ? (Date.parse(latest.business_date) - Date.parse(latest.run_first_on)) / 86_400_000 + 1 : 0;
  return { today, isCheckedIn, streak };
}

const resolvers = {
  Query: {
    me: async (_, __, { holder }) => {
      const [row] = await query("me", `SELECT ${MEMBER} FROM member WHERE id = $1`, [holder]);
      return row ? memberOf(row) : null;
    },
    members,
    checkInState,
  },
  CheckInState: {
    nextRewards: ({ today, isCheckedIn, streak }, { count }) =>
      Array.from({ length: count }, (_, ahead) => ({
        on: addDays(today, ahead + (isCheckedIn ? 1 : 0)),
        points: dailyPoints[(streak + ahead) % dailyPoints.length],
      })),
  },
  Mutation: {
    checkIn: async (_, __, { holder, instant }) => {
      const [row] = await query(
        "check-in",
        `SELECT business_date AS "businessDate", streak, cycle_day AS "cycleDay", points, available,
                already_checked_in AS "alreadyCheckedIn" FROM bench.check_in_of($1, $2, $3)`,
        [holder, dayOf(instant), instant],
      );
      return { ...row, __typename: "CheckedIn" };
    },
    buyDrawTicket: async (_, { drawId, idempotencyKey }, { holder, instant }) => {
      const draw = Buffer.from(drawId, "base64").toString().slice("Draw:".length);
      const [row] = await query(
        "ticket",
        "SELECT points, available, ticket_id FROM bench.buy_ticket_of($1, $2, $3, $4, $5)",
        [holder, draw, idempotencyKey, dayOf(instant), instant],
      );
      const ticket = { id: base64(`DrawTicket:${row.ticket_id}`) };
      return { points: row.points, available: row.available, ticket, __typename: "DrawTicketBought" };
    },
  },
};

const keysOf = (queries) => queries.map(({ obj }) => obj.key);

const loaders = {
  Member: {
    async points(queries) {
      const rows = byMember(
        await query(
          "points",
          `SELECT p.member_id, p.available, p.pending, p.held, p.debt, g.available AS growth FROM account p
           JOIN account g ON g.member_id = p.member_id AND g.currency = 'GROWTH'
           WHERE p.member_id = ANY($1) AND p.currency = 'POINTS'`,
          [keysOf(queries)],
        ),
      );
      return queries.map(({ obj }) => ({ ...rows.get(obj.key), key: obj.key }));
    },
    async tierProgress(queries) {
      const rows = byMember(
        await query(
          "tier-progress",
          `SELECT g.member_id, g.available AS growth, s.tier_code, s.since FROM account g
           LEFT JOIN tier_standing s ON s.member_id = g.member_id
           WHERE g.member_id = ANY($1) AND g.currency = 'GROWTH'`,
          [keysOf(queries)],
        ),
      );
      return queries.map(({ obj }) => progressOf(rows.get(obj.key)));
    },
    async ladder(queries, { instant }) {
      const month = `${dayOf(instant).slice(0, 7)}-01`;
      const rows = byMember(
        await query(
          "ladder",
          "SELECT member_id, net_fen, ladder_points FROM month_spend WHERE member_id = ANY($1) AND month = $2",
          [keysOf(queries), month],
        ),
      );
      return queries.map(({ obj }) => {
        const row = rows.get(obj.key);
        return ladderOf(month, row?.net_fen ?? 0, row?.ladder_points ?? 0);
      });
    },
    async entries(queries) {
      const rows = await query(
        "entries",
        `SELECT e.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
             SELECT member_id, currency, seq, kind, available, occurred_at, trace,
                    available_delta + pending_delta + held_delta - debt_delta AS points
             FROM entry WHERE member_id = m.id AND currency = 'POINTS' ORDER BY seq DESC LIMIT $2) e`,
        [keysOf(queries), queries[0].params.first],
      );
      return queries.map(({ obj }) => ({
        edges: rows
          .filter((row) => row.member_id === obj.key)
          .map((row) => ({
            node: {
              id: base64(`PointsEntry:${row.member_id}.${row.currency}.${row.seq}`),
              kind: row.kind,
              points: row.points,
              available: row.available,
              occurredAt: row.occurred_at,
              explanation: explanation(row),
            },
          })),
      }));
    },
  },
  PointsBalance: {
    async expiring(queries, { instant }) {
      const rows = await query(
        "expiring",
        `SELECT member_id, expires_at AS "expiresAt", sum(remaining)::bigint AS points FROM lot
         WHERE member_id = ANY($1) AND currency = 'POINTS' AND open AND expires_at > $2
         GROUP BY member_id, expires_at ORDER BY member_id, expires_at`,
        [keysOf(queries), instant],
      );
      return queries.map(({ obj }) => rows.filter((row) => row.member_id === obj.key));
    },
  },
};

const app = Fastify();
app.register(mercurius, {
  schema: readFileSync(new URL("schema.graphql", import.meta.url), "utf8"),
  resolvers,
  loaders,
  jit: 1,
  context: async (request) => {
    const holder = await holderOf(request.headers.authorization, request.headers["x-door"] ?? "member");
    if (holder === null) throw new Error("nobody known");
    return { holder, instant: now() };
  },
});
await app.listen({ port, host: "127.0.0.1" });
