// What every peer on Node shares: the clock of the benchmark, the pool, and who asks, found out as the product does it.
import { createHmac, timingSafeEqual } from "node:crypto";
import pg from "pg";

const DAY_MS = 86_400_000;
const ZONE_MS = 8 * 3_600_000; // Asia/Shanghai, which has no summer time
const KEYS = {
  member: Buffer.from(process.env.MEMBER_TOKEN_KEY, "hex"),
  staff: Buffer.from(process.env.STAFF_TOKEN_KEY, "hex"),
};
const HOLDERS = { member: "member_id", staff: "staff_id" };

pg.types.setTypeParser(20, Number); // bigint: all figures are below 2^53
pg.types.setTypeParser(1082, (text) => text); // date

export const port = Number(process.env.PORT);
export const poolMax = Number(process.env.DATABASE_POOL_MAX);
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: poolMax });

let offset = Number(process.env.CLOCK_OFFSET_SECONDS) * 1000;
process.on("SIGUSR2", () => {
  offset += DAY_MS;
});
process.on("SIGTERM", () => process.exit(0));

export const now = () => new Date(Date.now() + offset);
export const dayOf = (instant) => new Date(instant.getTime() + ZONE_MS).toISOString().slice(0, 10);

// The holder of a genuine token whose session is live; null for anybody else.
export async function holderOf(authorization, door) {
  const [head, body, signature] = (authorization ?? "").replace(/^Bearer /, "").split(".");
  if (!signature) return null;
  const expected = createHmac("sha256", KEYS[door]).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  const instant = now();
  if (claims.exp * 1000 <= instant.getTime() || claims.aud !== `jifen:${door}`) return null;
  const { rows } = await pool.query({
    name: `session-${door}`,
    text: `SELECT ${HOLDERS[door]} AS holder FROM session WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2`,
    values: [claims.sid, instant],
  });
  return rows.length && rows[0].holder === claims.sub ? claims.sub : null;
}
