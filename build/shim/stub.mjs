// Objects, services and the network as Go reaches them: ids, stubs, requests and calls.
import { BODY, CHUNK, OP, REQUEST_UPGRADE } from "./abi.mjs";
import { newConn } from "./conn.mjs";
import { named } from "./error.mjs";
import { out, putHeaders } from "./frame.mjs";

export function namespaceOp(c, op, token, i) {
  switch (op) {
    case OP.ID_FROM_NAME:
      out.str(c.namespace(i.rstr()).idFromName(i.rstr()).toString());
      return undefined;
    case OP.ID_UNIQUE: {
      const ns = c.namespace(i.rstr());
      const jurisdiction = i.rstr();
      out.str(ns.newUniqueId(jurisdiction === "" ? {} : { jurisdiction }).toString());
      return undefined;
    }
    case OP.ID_PARSE:
      out.str(c.namespace(i.rstr()).idFromString(i.rstr()).toString());
      return undefined;
    case OP.STUB: {
      const ns = c.namespace(i.rstr());
      const hex = i.rstr();
      const named = i.rbyte() === 1;
      const name = i.rstr();
      const locationHint = i.rstr();
      const id = named ? ns.idFromName(name) : ns.idFromString(hex);
      if (id.toString() !== hex.toLowerCase()) throw new TypeError("Durable Object ID is not valid for this namespace.");
      c.stubs.set(token, locationHint === "" ? ns.get(id) : ns.get(id, { locationHint }));
      return 0;
    }
    case OP.STUB_DROP:
      c.dropStub(token, i);
      return 0;
    case OP.STUB_CALL: {
      const stub = c.stub(i.ru32());
      const method = i.rstr();
      const args = i.rvalue(c);
      const call = () => (method === "" ? stub(...args) : stub[method](...args));
      return c.later(token, call, (v) => out.raw(c.encoded(v)), (e) => named(e, stub));
    }
    case OP.STUB_FETCH: {
      const stub = c.stub(i.ru32());
      return fetching(c, token, i.rrequest(c), i.flags, (r, o) => stub.fetch(r, o));
    }
    case OP.FETCH:
      return fetching(c, token, i.rrequest(c), i.flags, (r, o) => fetch(r, o));
    case OP.FETCH_ABORT:
      c.aborts.get(token)?.abort();
      return 0;
    case OP.FORWARD: {
      const stub = c.stub(i.ru32());
      const ev = i.ru32();
      const original = c.asking(ev);
      let request = original;
      if (i.p < i.end) {
        const r = i.rrequest(c);
        request = new Request(r.url, {
          method: r.method,
          headers: r.headers,
          body: r.method === "GET" || r.method === "HEAD" ? undefined : original.body,
          redirect: "manual",
        });
      }
      return c.later(token, async () => c.settle(ev, await stub.fetch(request)));
    }
  }
  throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
}

function fetching(c, token, request, flags, send) {
  const upgrade = (flags & REQUEST_UPGRADE) !== 0;
  const abort = new AbortController();
  c.aborts.set(token, abort);
  return c.later(
    token,
    async () => {
      try {
        const r = await send(request, { signal: abort.signal });
        if (r.webSocket && !upgrade) {
          r.webSocket.accept(); // nobody has it: its other side is not to wait
          r.webSocket.close();
        }
        const small = +(r.headers.get("content-length") ?? Infinity) <= CHUNK;
        return { r, bytes: r.body && small ? new Uint8Array(await r.arrayBuffer()) : undefined };
      } finally {
        c.aborts.delete(token);
      }
    },
    ({ r, bytes }) => {
      out.u16(r.status);
      out.u32(r.webSocket && upgrade ? newConn(c, r.webSocket, c.kind === "object") : 0);
      putHeaders(r.headers);
      if (bytes !== undefined) {
        out.byte(BODY.INLINE);
        out.raw(bytes);
      } else c.putBody(r.body);
    },
  );
}
