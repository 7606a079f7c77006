// PostGraphile 5 as its documentation sets it up, over the product's tables and the computed columns of functions.sql.
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { dayOf, holderOf, now, pool, port } from "./common.mjs";

async function settingsOf(requestContext) {
  const request = requestContext.node?.req;
  const door = request?.headers["x-door"] ?? "member";
  const holder = await holderOf(request?.headers.authorization, door);
  if (holder === null) throw new Error("nobody known");
  const instant = now();
  return {
    "bench.member_id": door === "member" ? holder : "",
    "bench.today": dayOf(instant),
    "bench.instant": instant.toISOString(),
  };
}

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ["public", "bench"] })],
  grafast: { context: async (requestContext) => ({ pgSettings: await settingsOf(requestContext) }), explain: false },
  grafserv: { graphiql: false, watch: false },
};
const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(port, "127.0.0.1");
