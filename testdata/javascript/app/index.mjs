// @ts-check
// An app worker in front of objects that are written in Go. backend.d.ts is what durago says of their classes:
//
//   durago types -c wrangler.toml --out testdata/javascript/app/backend.d.ts

/**
 * @typedef {object} Env what wrangler.jsonc binds
 * @property {DurableObjectNamespace<import("./backend").Counter>} COUNTER
 * @property {DurableObjectNamespace<import("./backend").RateLimiterServer>} RATE_LIMITER
 * @property {DurableObjectNamespace<import("./backend").AppWebsocketServer>} WS
 */

/** @satisfies {ExportedHandler<Env>} */
const app = {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, kind, name] = url.pathname.split("/");
    if (url.pathname === "/api/websocket") return room(request, env, url.searchParams.get("room") ?? "lobby", url.searchParams.get("name"));
    if (!name) return new Response("not found\n", { status: 404 });

    // A counter, for whom the limiter lets pass: five times an hour.
    if (kind === "counter" && request.method === "POST") {
      const limiter = env.RATE_LIMITER.getByName(name);
      await limiter.setRule({ name: "counts", limits: [{ algorithm: "gcra", quota: 5, period_ms: 3_600_000 }] });
      const decision = await limiter.take({ descriptors: [{ rule: "counts", key: name }], cost: 1 });
      if (!decision.allowed) {
        return new Response("too many\n", { status: 429, headers: { "Retry-After": String(Math.ceil(decision.retry_in_ms / 1000)) } });
      }
      const by = Number(url.searchParams.get("by") ?? 1);
      try {
        return Response.json({ n: await env.COUNTER.getByName(name).increment(by), remaining: decision.limits[0].remaining });
      } catch (e) {
        return Response.json({ message: e instanceof Error ? e.message : String(e) }, { status: 400 });
      }
    }
    if (kind === "counter") return Response.json({ n: await env.COUNTER.getByName(name).get() });

    // What has changed, to everybody in a room.
    if (kind === "leaf" && request.method === "PUT") {
      const tea = env.WS.getByName("tea");
      await tea.entityChanged({ action: "updated", entity_type: "leaf", id: name, data: { text: await request.text() } });
      return Response.json((await tea.getActiveSessions()).length);
    }
    return new Response("not found\n", { status: 404 });
  },
};
export default app;

/**
 * room lets anybody in: the metadata, which the room trusts, is set here and not by the client.
 * @param {Request} request
 * @param {Env} env
 * @param {string} name
 * @param {string | null} user
 */
function room(request, env, name, user) {
  const headers = new Headers(request.headers);
  const meta = JSON.stringify({ room: name, meta: { user_name: user ?? "" } });
  const ascii = meta.replace(/[^ -~]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")); // as a header must be
  headers.set("X-Ws-Meta", ascii);
  return env.WS.getByName(name).fetch(new Request(request, { headers }));
}
