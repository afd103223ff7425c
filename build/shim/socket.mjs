// Hibernatable sockets.
import { encode } from "./value.mjs";
import { OP } from "./abi.mjs";
import { out, text } from "./frame.mjs";

export function socketOp(c, op, token, i) {
  switch (op) {
    case OP.SOCKET_ACCEPT: {
      const tags = [];
      for (let k = i.ru16(); k > 0; k--) tags.push(i.rstr());
      const { 0: client, 1: server } = new WebSocketPair();
      c.ctx.acceptWebSocket(server, tags);
      const handle = c.socket(server);
      c.clients.set(handle, client);
      out.u32(handle);
      return undefined;
    }
    case OP.SOCKET_SEND: {
      const isText = i.rbyte() === 1;
      c.ws(token).send(isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest());
      return 0;
    }
    case OP.SOCKET_BROADCAST: {
      const isText = i.rbyte() === 1;
      const to = [];
      for (let k = i.ru32(); k > 0; k--) to.push(i.ru32());
      const m = isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest();
      for (const h of to) {
        try {
          c.ws(h).send(m);
        } catch {
          // Closed: a broadcast passes it over.
        }
      }
      return 0;
    }
    case OP.SOCKET_CLOSE: {
      const code = i.ru16();
      const reason = i.rstr();
      if (code === 0 && reason === "") c.ws(token).close();
      else c.ws(token).close(code === 0 ? undefined : code, reason);
      return 0;
    }
    case OP.SOCKETS:
      for (const ws of i.rbyte() === 1 ? c.ctx.getWebSockets(i.rstr()) : c.ctx.getWebSockets()) {
        out.u32(c.socket(ws));
      }
      return undefined;
    case OP.SOCKET_TAGS: {
      const tags = c.ctx.getTags(c.ws(token));
      out.u16(tags.length);
      for (const t of tags) out.str(t);
      return undefined;
    }
    case OP.SOCKET_ATTACH:
      c.ws(token).serializeAttachment(i.rvalue());
      return 0;
    case OP.SOCKET_ATTACHMENT: {
      const v = c.ws(token).deserializeAttachment();
      out.byte(v === null ? 0 : 1);
      if (v !== null) out.raw(encode(v));
      return undefined;
    }
    case OP.AUTO_RESPONSE:
      if (i.rbyte() === 0) c.ctx.setWebSocketAutoResponse();
      else c.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(i.rstr(), i.rstr()));
      return 0;
    case OP.SOCKET_PINGED:
      out.f64(c.ctx.getWebSocketAutoResponseTimestamp(c.ws(token))?.getTime() ?? NaN);
      return undefined;
    case OP.SOCKET_STATE:
      out.byte(c.ws(token).readyState);
      return undefined;
  }
  throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
}
