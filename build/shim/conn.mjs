// Ordinary sockets, which Go reads and writes itself.
import { CONN, OP } from "./abi.mjs";
import { out, text, utf8 } from "./frame.mjs";

// newConn has a handle for an ordinary socket.
export function newConn(c, ws, lasts) {
  const handle = ++c.lastHandle;
  c.conns.set(handle, new Conn(c, handle, ws, lasts));
  return handle;
}

export function connOp(c, op, token, i) {
  switch (op) {
    case OP.CONN_ACCEPT: {
      const { 0: webSocket, 1: server } = new WebSocketPair();
      const answer = new Response(null, { status: 101, headers: i.rheaders(), webSocket });
      out.u32(newConn(c, server, true));
      c.settle(token, answer);
      c.ctx.waitUntil(new Promise((resolve) => c.handlers.set(token, resolve))); // or it ends with the client
      return undefined;
    }
    case OP.CONN_RECEIVE: {
      const s = c.conns.get(i.ru32());
      if (s === undefined) throw new Error("this WebSocket is closed");
      return s.receive(token);
    }
    case OP.CONN_SEND: {
      const isText = i.rbyte() === 1;
      c.conns.get(token)?.ws.send(isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest());
      return 0;
    }
    case OP.CONN_CLOSE: {
      const code = i.ru16();
      const reason = i.rstr();
      const ws = c.conns.get(token)?.ws;
      if (code === 0 && reason === "") ws?.close();
      else ws?.close(code === 0 ? undefined : code, reason);
      return 0;
    }
    case OP.CONN_STATE:
      out.byte(c.conns.get(token)?.state ?? WebSocket.CLOSED);
      return undefined;
    case OP.CONN_FORGET:
      c.conns.get(token)?.forget();
      c.conns.delete(token);
      return 0;
  }
  throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
}

// Conn is a socket that Go reads: what comes waits here until it is asked for.
class Conn {
  constructor(context, handle, ws, lasts) {
    this.context = context;
    this.inst = context.inst;
    this.handle = handle;
    this.ws = ws;
    this.lasts = lasts; // its context lasts as long as it
    this.unread = [];
    this.token = 0; // of the OP.CONN_RECEIVE that waits
    if (lasts) context.begin(this.inst);
    ws.binaryType = "arraybuffer";
    ws.addEventListener("message", ({ data }) => this.push({ data }));
    ws.addEventListener("close", ({ code, reason, wasClean }) => this.end(code, reason, wasClean));
    ws.addEventListener("error", ({ error, message }) => {
      const [, code, reason] = PROTOCOL_ERROR.exec(message) ?? PROTOCOL_ERROR.exec(error?.message) ?? [];
      if (code !== undefined) this.end(+code, reason, false);
      else setTimeout(() => this.end(1006, VANISHED, false), GRACE); // what was sent did not arrive; a close may still come
    });
    ws.accept();
  }
  end(code, reason, clean) {
    if (this.over) return;
    this.over = true;
    this.push({ code, reason, clean });
    if (this.lasts) Promise.resolve().then(() => this.context.end(this.inst));
  }
  push(m) {
    if (this.lost) return;
    this.unread.push(m);
    this.flow();
  }
  receive(token) {
    this.token = token;
    this.flow();
    return 0;
  }
  flow() {
    if (this.token === 0 || this.unread.length === 0) return;
    const { token } = this;
    const m = this.unread.shift();
    this.token = 0;
    if (m.code !== undefined) this.context.conns.delete(this.handle);
    this.context.later(token, () => Promise.resolve(), () => putReceived(m));
  }
  forget() {
    this.lost = true;
    this.unread = [];
  }
  get state() {
    return this.over ? WebSocket.CLOSED : this.ws.readyState;
  }
}

const GRACE = 1000; // ms
const VANISHED = "WebSocket disconnected without sending Close frame.";
const PROTOCOL_ERROR = /protocolError\.statusCode = (\d+); protocolError\.description = (.*)/;

function putReceived({ data, code, reason, clean }) {
  if (code !== undefined) {
    out.byte(CONN.CLOSED);
    out.u16(code);
    out.byte(clean ? 1 : 0);
    out.str(reason);
  } else if (typeof data === "string") {
    out.byte(CONN.TEXT);
    out.raw(utf8.encode(data));
  } else {
    out.byte(CONN.BINARY);
    out.raw(new Uint8Array(data));
  }
}
