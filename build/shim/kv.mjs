// A small Workers KV for workerd run by hand: workerd's KV binding speaks HTTP to a service, and this is one, over a
// Durable Object. It serves `durago build --workerd` and the conformance run; Cloudflare has its own.
import { DurableObject } from "cloudflare:workers";

export class Namespace extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    const { kv } = this.ctx.storage;
    if (url.pathname === "/") {
      const prefix = url.searchParams.get("prefix") ?? "";
      const limit = +(url.searchParams.get("key_count_limit") ?? 1000);
      const start = url.searchParams.get("cursor") || undefined;
      const keys = [];
      for (const [name] of kv.list({ prefix, startAfter: start, limit: limit + 1 })) keys.push({ name });
      const complete = keys.length <= limit;
      if (!complete) keys.pop();
      return Response.json({ keys, list_complete: complete, ...(complete ? {} : { cursor: keys[limit - 1].name }) });
    }
    const raw = url.pathname.slice(1);
    const key = decodeURIComponent(raw);
    const now = Date.now();
    switch (request.method) {
      case "GET": {
        const e = kv.get(key);
        if (e === undefined || (e.until && e.until <= now)) return new Response("Not Found", { status: 404 });
        return new Response(e.value);
      }
      case "PUT": {
        const ttl = +(url.searchParams.get("expiration_ttl") ?? 0);
        kv.put(key, { value: await request.arrayBuffer(), until: ttl > 0 ? now + ttl * 1000 : 0 });
        return new Response(null);
      }
      case "DELETE":
        kv.delete(key);
        return new Response(null, { status: 204 });
    }
    return new Response("Method Not Allowed", { status: 405 });
  }
}

export default {
  fetch(request, env) {
    return env.DATA.getByName("namespace").fetch(request);
  },
};
