// The runtime half of the adapter on Workers: one Go instance per isolate, shared by all objects and requests of it, or one for
// each object.
//
// Every object and every front request is a Context. Go code runs only inside Context.run, with that context current,
// and does I/O only for the current one, because Workers binds I/O to the object or request that made it. When Go
// needs another context it asks for a kick: each context waits on a promise of its own, whose continuation runs in its
// own context whoever resolves it. That holds for Promise.withResolvers(), not for new Promise() once the code is
// optimised.
//
// The wire contract is wasm/abi; its numbers are repeated here and compared by a test.
import { DurableObject, RpcTarget, WorkerEntrypoint, env as workerEnv } from "cloudflare:workers";
import { decode, encode } from "./value.mjs";

const ABI = 2;
const CONTROL = { INBOX: 0, INBOX_SIZE: 1, CURRENT: 2, TRANSACTION: 3, BEGUN: 4, WORDS: 8 };
const EVENT = {
  CONSTRUCT: 1, FETCH: 2, RPC: 3, ALARM: 4, SOCKET_MESSAGE: 5, SOCKET_CLOSE: 6, SOCKET_ERROR: 7, SCHEDULED: 8, BLOCK: 9,
  TARGET: 10, SERVICE: 11, WAKE: 20, DONE: 21, GONE: 22, CANCEL: 23, UNLENT: 25,
};
const OP = {
  REPLY: 1, RETURN: 2, FAIL: 3,
  BODY_READ: 10, BODY_CANCEL: 11, BODY_WRITE: 12, BODY_END: 13,
  SQL_INTERN: 20, SQL: 21, SQL_NEXT: 22, SQL_CLOSE: 23, SQL_SIZE: 24,
  KV_GET: 30, KV_PUT: 31, KV_DELETE: 32, KV_LIST: 33, GET: 34, PUT: 35, DELETE: 36, LIST: 37,
  ALARM_GET: 40, ALARM_SET: 41, ALARM_DELETE: 42, SYNC: 43, DELETE_ALL: 44, TRANSACTION_SYNC: 45, TRANSACTION: 46,
  BOOKMARK: 47, ROLLBACK: 48,
  BLOCK: 50, ABORT: 51, WAIT_UNTIL: 52, WORK_DONE: 53, WAKE: 54, LOG: 55,
  ID_FROM_NAME: 60, ID_UNIQUE: 61, ID_PARSE: 62, STUB: 63, STUB_DROP: 64, STUB_FETCH: 65, STUB_CALL: 66, FORWARD: 67,
  FETCH: 68, FETCH_ABORT: 69,
  SOCKET_ACCEPT: 70, SOCKET_SEND: 71, SOCKET_CLOSE: 72, SOCKETS: 73, SOCKET_TAGS: 74, SOCKET_ATTACH: 75,
  SOCKET_ATTACHMENT: 76, AUTO_RESPONSE: 77, SOCKET_PINGED: 78, SOCKET_STATE: 79, SOCKET_BROADCAST: 80,
  CONN_ACCEPT: 81, CONN_RECEIVE: 82, CONN_SEND: 83, CONN_CLOSE: 84, CONN_STATE: 85, CONN_FORGET: 86,
  TARGET: 90, STUB_DUP: 91, SERVICE: 92,
};
const BODY = { NONE: 0, INLINE: 1, STREAM: 2, PASS: 3 };
const CONN = { BINARY: 0, TEXT: 1, CLOSED: 2 };
const REQUEST_UPGRADE = 1;
const LINK = { STREAM: 1, PASS: 2, STUB: 3, TARGET: 4, CALLBACK: 5, GIVEN: 0x40000000 };
const MAX_LINKS = 10000;
const CHUNK = 64 << 10; // rows and small bodies travel in pieces of about this size

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { ignoreBOM: true });

// Frames that leave for Go are built here and copied into the inbox when complete.
const out = {
  u8: new Uint8Array(1 << 16),
  dv: undefined,
  n: 0,
  start() {
    this.n = 0;
    return this;
  },
  room(k) {
    if (this.n + k <= this.u8.length) return;
    const b = new Uint8Array(Math.max(this.u8.length * 2, this.n + k));
    b.set(this.u8.subarray(0, this.n));
    this.u8 = b;
    this.dv = new DataView(b.buffer);
  },
  byte(v) {
    this.room(1);
    this.u8[this.n++] = v;
  },
  u16(v) {
    this.room(2);
    this.dv.setUint16(this.n, v, true);
    this.n += 2;
  },
  u32(v) {
    this.room(4);
    this.dv.setUint32(this.n, v, true);
    this.n += 4;
  },
  f64(v) {
    this.room(8);
    this.dv.setFloat64(this.n, v, true);
    this.n += 8;
  },
  str(s) {
    this.room(4 + s.length * 3);
    const at = this.n + 4;
    let k = 0;
    if (s.length < 48) {
      for (; k < s.length; k++) {
        const c = s.charCodeAt(k);
        if (c > 127) break;
        this.u8[at + k] = c;
      }
    }
    if (k < s.length) k = utf8.encodeInto(s, this.u8.subarray(at)).written;
    this.dv.setUint32(this.n, k, true);
    this.n = at + k;
  },
  bytes(b) {
    this.u32(b.length);
    this.raw(b);
  },
  raw(b) {
    this.room(b.length);
    this.u8.set(b, this.n);
    this.n += b.length;
  },
};
out.dv = new DataView(out.u8.buffer);

function latin1(u8, from, to) {
  let s = "";
  for (let k = from; k < to; k++) s += String.fromCharCode(u8[k]);
  return s;
}

function isASCII(u8, from, to) {
  for (let k = from; k < to; k++) if (u8[k] > 127) return false;
  return true;
}

// ---- errors ---------------------------------------------------------------------------------------------------------

const FLAGS = [["remote", 1], ["retryable", 2], ["overloaded", 4], ["durableObjectReset", 8]];
const CLASSES = { TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError };
const HIDDEN = ["cause", "errors"]; // own properties of an error that are not enumerable
const EXCEPTIONS = new Set(["AbortError", "DataCloneError", "InvalidStateError", "NotSupportedError", "QuotaExceededError", "TimeoutError"]);
const KNOWN = new Set(["name", "message", "stack", "durableObjectId", ...FLAGS.map(([name]) => name)]);

// given tells of properties that an error of its class has by itself.
function given(e, k) {
  return (k === "code" && e instanceof DOMException) || (k === "errors" && e.errors?.length === 0);
}

function putError(e) {
  const o = e !== null && typeof e === "object" ? e : { name: "Error", message: String(e) };
  let flags = 0;
  for (const [name, bit] of FLAGS) if (o[name] === true) flags |= bit;
  out.byte(flags);
  out.str(String(o.name ?? "Error"));
  out.str(String(o.message ?? ""));
  out.str(String(o.durableObjectId ?? ""));
  out.str("");
  const props = {};
  let some = false;
  for (const k of Object.keys(o)) {
    if (!KNOWN.has(k) && !given(e, k)) {
      props[k] = o[k];
      some = true;
    }
  }
  for (const k of HIDDEN) {
    if (e instanceof Error && Object.hasOwn(e, k) && !given(e, k)) {
      props[k] = e[k];
      some = true;
    }
  }
  if (!some) return;
  try {
    out.raw(encode(props));
  } catch {
    // A property that cannot cross is dropped; the error is not.
  }
}

function makeError(name, message, props) {
  if (EXCEPTIONS.has(name)) return Object.assign(new DOMException(message, name), props);
  const e = name === "AggregateError" ? new AggregateError([], message) : new (CLASSES[name] ?? Error)(message);
  if (name !== e.name) Object.defineProperty(e, "name", { value: name, enumerable: true, writable: true });
  for (const k of HIDDEN) {
    if (Object.hasOwn(props, k)) Object.defineProperty(e, k, { value: props[k], writable: true, configurable: true });
    delete props[k];
  }
  return Object.assign(e, props);
}

// ---- the Go instance ------------------------------------------------------------------------------------------------

class Instance {
  constructor(module) {
    this.dead = undefined; // the cause, once nothing can run any more
    this.running = undefined; // the context that Go runs for
    this.deadline = Infinity; // of the Go runtime's only timer
    this.seen = Infinity; // the deadline that contexts have been armed for
    this.live = new Set(); // ids of contexts with events in flight; ids only, so that contexts can be collected
    this.gone = []; // ids whose goroutines have not been told yet
    this.kicks = [];
    this.contexts = new Map(); // id → WeakRef of Context
    this.objects = new Map(); // object id → context id
    this.statements = [];
    this.inits = new Inits();
    this.events = 0;
    this.held = undefined; // an answer that did not fit the inbox
    this.stderr = "";
    this.timers = 0;
    this.collected = new FinalizationRegistry((id) => this.forget(id));
    const go = (this.go = new Go());
    go.exit = (code) => (this.code = code);
    go._makeFuncWrapper = (id) => this.wrap(id);
    this.override(go.importObject.gojs);
    go.env = { GOMEMLIMIT: "83886080" }; // of the isolate's 128: memory never shrinks, so the collector is to work before it grows
    go.importObject.workers = { ready() {} };
    go.importObject.durago = {
      call: (ctx, op, token, p, n) => this.call(ctx >>> 0, op, token >>> 0, p >>> 0, n >>> 0),
      take: (p, n) => {
        new Uint8Array(this.x.mem.buffer, p >>> 0, n >>> 0).set(this.held);
        this.held = undefined;
      },
    };
    globalThis.context = { env: workerEnv, ctx: {}, binding: {} }; // where syumai/workers looks at start
    const wasm = new WebAssembly.Instance(module, go.importObject);
    this.x = wasm.exports;
    const version = Object.keys(this.x).find((k) => k.startsWith("durago_abi_"));
    if (version !== `durago_abi_${ABI}`) {
      throw new Error(
        version === undefined
          ? "app.wasm has no durago ABI: end main with objects.Run and build it with `durago build`"
          : `app.wasm speaks ABI ${version.slice(11)}, this shim speaks ${ABI}: run \`durago build\` again`,
      );
    }
    go.run(wasm);
    if (go.exited) throw new Error(`app.wasm ended at start: ${this.cause()}`);
    this.at = this.x[version]() >>> 0;
    this.views();
  }

  // override replaces what wasm_exec.js does about time, output and the pending event.
  override(gojs) {
    const go = this.go;
    let now = -1; // one reading of the clock a run; never backwards
    let last = 0;
    const origin = Date.now() - performance.now();
    this.tick = () => (now = -1);
    gojs["runtime.nanotime1"] = (sp) => {
      sp >>>= 0;
      if (now < 0) {
        now = (origin + performance.now()) * 1e6;
        if (now < last) now = last;
        last = now;
      }
      go.mem.setUint32(sp + 8, now >>> 0, true);
      go.mem.setUint32(sp + 12, Math.floor(now / 4294967296), true);
    };
    gojs["runtime.scheduleTimeoutEvent"] = (sp) => {
      sp >>>= 0;
      const ms = go.mem.getUint32(sp + 8, true) + go.mem.getInt32(sp + 12, true) * 4294967296;
      this.deadline = Date.now() + ms;
      this.timers = (this.timers + 1) | 0;
      go.mem.setInt32(sp + 16, this.timers, true);
    };
    gojs["runtime.clearTimeoutEvent"] = (sp) => {
      sp >>>= 0;
      if (go.mem.getInt32(sp + 8, true) === this.timers) this.deadline = Infinity;
    };
    gojs["runtime.wasmWrite"] = (sp) => {
      sp >>>= 0;
      const fd = go.mem.getInt32(sp + 8, true);
      const p = go.mem.getUint32(sp + 16, true);
      const s = text.decode(new Uint8Array(this.x.mem.buffer, p, go.mem.getInt32(sp + 24, true)));
      if (fd === 2 && this.stderr.length < 4096) this.stderr += s;
      this.print(s);
    };
    const get = gojs["syscall/js.valueGet"];
    gojs["syscall/js.valueGet"] = (sp) => {
      sp >>>= 0;
      // Each resume reads go._pendingEvent (13 letters of value 6), which is nearly always null.
      const m = go.mem;
      if (go._pendingEvent === null && m.getUint32(sp + 8, true) === 6 && m.getUint32(sp + 24, true) === 13) {
        m.setUint32(sp + 36, 0x7ff80000, true);
        m.setUint32(sp + 32, 2, true);
        return;
      }
      get(sp);
    };
  }

  // print collects what Go writes into lines of the log.
  print(s) {
    const lines = ((this.line ?? "") + s).split("\n");
    this.line = lines.pop();
    for (const l of lines) console.log(l);
  }

  // cause says why Go ended, in Go's own words.
  cause() {
    const m = /^(panic: .*|fatal error: .*)$/m.exec(this.stderr);
    if (m) return m[1];
    return this.code === undefined ? "unknown cause" : `exit code ${this.code}`;
  }

  views() {
    const b = this.x.mem.buffer;
    if (this.buffer === b) return;
    this.buffer = b;
    this.u8 = new Uint8Array(b);
    this.dv = new DataView(b);
    this.control = new Uint32Array(b, this.at, CONTROL.WORDS);
  }

  // post writes the frame in out to the inbox and delivers the event; Go runs with the next resume.
  post(kind, ctx, ev, n) {
    if (n > 0) {
      this.views();
      if (n > this.control[CONTROL.INBOX_SIZE]) {
        this.x.durago_alloc(n);
        this.views();
      }
      this.u8.set(n === out.u8.length ? out.u8 : out.u8.subarray(0, n), this.control[CONTROL.INBOX]);
    }
    this.x.durago_event(kind, ctx, ev, n);
  }

  // wrap makes a js.Func: called later, from anywhere, Go runs for the context that made it.
  wrap(id) {
    const inst = this;
    const home = this.running === undefined ? undefined : new WeakRef(this.running);
    return function () {
      const event = { id, this: this, args: arguments };
      if (inst.dead) return undefined;
      if (inst.running !== undefined || home === undefined) {
        inst.go._pendingEvent = event;
        inst.x.resume();
        return event.result;
      }
      home.deref()?.run(event);
      return event.result;
    };
  }

  call(ctx, op, token, p, n) {
    const c = this.running;
    this.views();
    try {
      if (c === undefined || c.id !== ctx) {
        if (op === OP.WAKE) return this.wake(token);
        if (op === OP.LOG) return c?.log(token, p, n) ?? 0;
        throw new Error("durago: an operation was called for another context");
      }
      this.p = p;
      this.end = p + n;
      out.n = 0;
      const r = c.op(op, token, p, n, this);
      if (r !== undefined) return r;
      return this.answer();
    } catch (e) {
      if (this.dead) throw e;
      out.n = 0;
      putError(e);
      return -this.answer();
    }
  }

  answer() {
    const n = out.n;
    if (n === 0) return 0;
    this.views();
    if (n > this.control[CONTROL.INBOX_SIZE]) this.held = out.u8.slice(0, n);
    else this.u8.set(out.u8.subarray(0, n), this.control[CONTROL.INBOX]);
    return n;
  }

  // next is the number of the event that is delivered next.
  next() {
    return (this.events + 1) >>> 0 || 1;
  }

  wake(id) {
    const c = this.contexts.get(id)?.deref();
    if (c) this.kicks.push(c);
    else this.gone.push(id);
    return 0;
  }

  forget(id) {
    if (!this.contexts.delete(id)) return;
    this.live.delete(id);
    if (!this.dead) this.gone.push(id);
  }

  fatal(e) {
    if (this.dead) return;
    const cause = this.go.exited || this.stderr !== "" ? this.cause() : String(e?.message ?? e);
    this.dead = new Error(`the isolate ended: ${cause}`);
    console.error(`durago: ${this.dead.message}`);
    if (instance === this) instance = undefined;
    for (const id of this.live) this.contexts.get(id)?.deref()?.kick();
  }

  // Readers of the frame of the running operation.
  rbyte() {
    return this.u8[this.p++];
  }
  ru16() {
    this.p += 2;
    return this.dv.getUint16(this.p - 2, true);
  }
  ru32() {
    this.p += 4;
    return this.dv.getUint32(this.p - 4, true);
  }
  rf64() {
    this.p += 8;
    return this.dv.getFloat64(this.p - 8, true);
  }
  rstr() {
    const n = this.ru32();
    const from = this.p;
    this.p += n;
    if (n < 32 && isASCII(this.u8, from, this.p)) return latin1(this.u8, from, this.p);
    return text.decode(this.u8.subarray(from, this.p));
  }
  skip() {
    const n = this.ru32();
    this.p += n;
  }
  rest() {
    return this.u8.slice(this.p, this.end);
  }
  rvalue(links) {
    return decode(this.rest(), 0, links).value;
  }
  rheaders() {
    const h = [];
    for (let k = this.ru16(); k > 0; k--) h.push([this.rstr(), this.rstr()]);
    return h;
  }
  rerror() {
    const flags = this.rbyte();
    const name = this.rstr();
    const message = this.rstr();
    this.rstr();
    const stack = this.rstr();
    const props = this.p < this.end ? this.rvalue() : {};
    const e = makeError(name, message, props);
    for (const [flag, bit] of FLAGS) if (flags & bit) e[flag] = true;
    if (stack !== "") console.error(`${message}\n${stack}`);
    return e;
  }
  rresponse(c) {
    const status = this.ru16();
    const socket = this.ru32();
    const hs = this.p;
    for (let k = this.ru16(); k > 0; k--) {
      this.skip();
      this.skip();
    }
    let init = this.inits.get(status, this.u8, hs, this.p);
    if (init === undefined) {
      const body = this.p;
      this.p = hs;
      init = { status, headers: new Headers(this.rheaders()) };
      this.p = body;
      this.inits.put(init, this.u8, hs, this.p);
    }
    if (socket !== 0) {
      const webSocket = c.clients.get(socket);
      c.clients.delete(socket);
      return new Response(null, { status: 101, headers: init.headers, webSocket });
    }
    switch (this.rbyte()) {
      case BODY.INLINE: {
        const n = this.end - this.p;
        if (n <= 256 && isASCII(this.u8, this.p, this.end)) return new Response(latin1(this.u8, this.p, this.end), init);
        return new Response(this.rest(), init);
      }
      case BODY.STREAM:
        return new Response(c.outgoing(this.ru32()).readable, init);
    }
    return new Response(null, init);
  }
  rrequest(c) {
    const method = this.rstr();
    const url = this.rstr();
    this.flags = this.rbyte();
    const init = { method, headers: this.rheaders(), redirect: "manual" };
    switch (this.rbyte()) {
      case BODY.INLINE:
        init.body = this.rest();
        break;
      case BODY.STREAM:
        init.body = c.outgoing(this.ru32()).readable;
        break;
      case BODY.PASS:
        init.body = c.bodies.get(this.ru32())?.stream;
    }
    return new Request(url, init);
  }
}

// Inits are the ResponseInits of responses that came before, by status and the bytes of their headers: few are different, and
// reading them costs more than comparing.
class Inits {
  constructor() {
    this.entries = new Map(); // hash → {init, bytes}
  }
  hash(status, u8, from, to) {
    let h = status;
    for (let k = from; k < to; k++) h = (Math.imul(h, 31) + u8[k]) | 0;
    return h;
  }
  get(status, u8, from, to) {
    const e = this.entries.get(this.hash(status, u8, from, to));
    if (e === undefined || e.init.status !== status || e.bytes.length !== to - from) return undefined;
    const { bytes } = e;
    for (let k = 0; k < bytes.length; k++) if (bytes[k] !== u8[from + k]) return undefined;
    return e.init;
  }
  put(init, u8, from, to) {
    if (this.entries.size >= 500) this.entries.clear();
    this.entries.set(this.hash(init.status, u8, from, to), { init, bytes: u8.slice(from, to) });
  }
}

let instance; // of this isolate
let ownInstance = false; // objects have theirs
let module;
let contexts = 0;

// ---- streams --------------------------------------------------------------------------------------------------------

// Outgoing is a body that Go writes. A write is answered when the reader has asked for it.
class Outgoing {
  constructor(context, id) {
    this.context = context;
    this.id = id;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => {
          this.wanted = true;
          this.flow();
          if (!this.wanted) return undefined;
          return new Promise((resolve) => (this.pulled = resolve));
        },
        cancel: (reason) => {
          this.broken = new Error(`the reader of the body went away: ${reason?.message ?? reason ?? "closed"}`);
          this.flow();
        },
      },
      { highWaterMark: 0 },
    );
  }
  write(token, chunk) {
    this.chunk = chunk;
    this.token = token;
    this.flow();
  }
  end(error) {
    this.ended = true;
    this.context.streams.delete(this.id);
    if (this.broken) return;
    try {
      if (error) this.controller.error(error);
      else this.controller.close();
    } catch {
      // The reader has gone.
    }
    this.release();
  }
  flow() {
    if (this.chunk === undefined) return;
    if (this.broken) {
      this.chunk = undefined;
      const e = this.broken;
      this.context.later(this.token, () => Promise.reject(e));
      return;
    }
    if (!this.wanted) return;
    this.wanted = false;
    this.controller.enqueue(this.chunk);
    this.chunk = undefined;
    this.release();
    this.context.later(this.token, () => Promise.resolve());
  }
  release() {
    const f = this.pulled;
    this.pulled = undefined;
    if (f) f();
  }
}

// ---- ordinary sockets -----------------------------------------------------------------------------------------------

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

// ---- contexts -------------------------------------------------------------------------------------------------------

const EARLY = 20; // ms between looks while a critical section is open, which holds back timers and kicks from outside
const FRONT = 5000; // ms: a request that waits without a timer of its own would be ended as hung

class Context {
  constructor(kind, ctx, env) {
    this.kind = kind; // "object" or "front"
    this.ctx = ctx;
    this.env = env;
    this.key = kind === "object" ? ctx.id.toString() : undefined;
    this.storage = ctx.storage;
    this.sql = kind === "object" ? ctx.storage.sql : undefined;
    this.reset();
    this.waitKick();
  }

  reset() {
    this.inflight = 0; // events and work that Go has not finished
    this.pending = new Map(); // event → {resolve, reject}
    this.requests = new Map(); // event → Request, for OP.FORWARD
    this.streams = new Map(); // id → Outgoing
    this.bodies = new Map(); // handle → {stream, reader}
    this.cursors = new Map();
    this.stubs = new Map(); // handle → what Go calls others by
    this.lent = new Map(); // id → what others call Go by
    this.landed = undefined; // stubs in the value that was encoded last
    this.given = 0; // stubs that came in values
    this.aborts = new Map();
    this.work = new Map(); // token → resolve, of waitUntil
    this.transactions = new Map(); // event of its body → the platform's
    this.sections = 0; // open ones
    this.clients = new Map(); // socket → the client's half, until the response takes it
    this.sockets = new Map();
    this.conns = new Map();
    this.handlers = new Map(); // event → resolve, of those that have been answered with a socket
    this.handles = new WeakMap();
    this.lastHandle = 0;
    this.syncEvent = 0;
  }

  // attach gives the live instance; after a death it is a new one, and an object is made anew in it.
  attach() {
    if (this.inst !== undefined && !this.inst.dead) return this.inst;
    const i = this.instance();
    const again = this.inst !== undefined;
    this.inst = i;
    this.id = ++contexts;
    this.reset();
    if (this.key !== undefined) {
      const old = i.objects.get(this.key); // a new Context of the same object: the old one is gone
      if (old !== undefined) i.forget(old);
      i.objects.set(this.key, this.id);
    }
    i.contexts.set(this.id, new WeakRef(this));
    i.collected.register(this, this.id);
    if (again && this.kind === "object") {
      Promise.resolve(this.construct(i)).catch((e) => this.ctx.abort(e));
    }
    return i;
  }

  instance() {
    if (ownInstance && this.kind === "object") return new Instance(module);
    return (instance ??= new Instance(module));
  }

  // construct has Go make its half of the object.
  construct(i = this.attach()) {
    const { id } = this.ctx;
    out.start().str(this.className);
    out.str(this.key);
    out.byte(id.name === undefined ? 0 : 1);
    out.str(id.name ?? "");
    return this.deliver(i, EVENT.CONSTRUCT, out.n);
  }

  // build has Go make its half of a new object in a critical section from the start: what the constructor waits for would
  // be held back by a section that was opened after it had begun to wait.
  build() {
    const section = this.ctx.blockConcurrencyWhile(() => {
      const i = this.attach();
      return this.within(i, () => this.construct(i));
    });
    section.finally(() => this.rekick());
  }

  // ---- kicks

  waitKick() {
    this.kicked = false;
    const { promise, resolve } = Promise.withResolvers();
    this.resolveKick = resolve;
    const self = new WeakRef(this);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    promise.then(() => {
      const c = self.deref();
      if (c === undefined || c.turn !== turn) return;
      c.waitKick();
      c.onKick();
    });
  }
  kick() {
    if (this.kicked) return;
    this.kicked = true;
    this.resolveKick();
  }
  // The kick's promise must belong to the critical section that is open now.
  rekick() {
    const was = this.kicked;
    this.waitKick();
    if (was) this.kick();
  }
  onKick() {
    const i = this.inst;
    if (i.dead) return this.failAll(i.dead);
    i.post(EVENT.WAKE, this.id, 0, 0);
    this.run(null);
  }

  // ---- running Go

  // run lets Go run until idle with this context current; event is a call of a js.Func, or null.
  run(event) {
    const i = this.inst;
    if (i.running !== undefined) {
      i.running = undefined;
      i.fatal(new Error("execution was terminated inside Go"));
    }
    if (i.dead) return this.failAll(i.dead);
    if (i.gone.length > 0) {
      const list = i.gone;
      i.gone = [];
      for (const id of list) i.post(EVENT.GONE, id, 0, 0);
    }
    i.running = this;
    i.views();
    i.control[CONTROL.CURRENT] = this.id;
    i.tick();
    i.go._pendingEvent = event;
    try {
      i.x.resume();
      if (i.go.exited) i.fatal(new Error("exit"));
    } catch (e) {
      i.fatal(e);
    }
    i.running = undefined;
    if (i.dead) {
      this.failAll(i.dead);
      if (this.kind === "object") this.ctx.abort(i.dead.message); // half-done writes must not commit
      return;
    }
    i.views();
    i.control[CONTROL.CURRENT] = 0;
    if (this.aborting) {
      const e = this.aborting;
      this.aborting = undefined;
      i.forget(this.id);
      this.ctx.abort(e.name === "Error" ? e.message : `${e.name}: ${e.message}`, { retryAlarm: e.retryAlarm });
    }
    const kicks = i.kicks;
    if (kicks.length > 0) {
      i.kicks = [];
      for (const c of kicks) c.kick();
    }
    this.arm(i);
    if (i.deadline < i.seen - 1) {
      for (const id of i.live) {
        const c = i.contexts.get(id)?.deref();
        if (c === undefined) i.live.delete(id);
        else if (c !== this && c.armed > i.deadline + 1) c.kick();
      }
    }
    i.seen = i.deadline;
  }

  // arm sets this context's timer for the Go runtime's deadline, if it has events in flight.
  arm(i) {
    const now = Date.now();
    let at = i.deadline;
    if (this.sections > 0) at = Math.min(at, now + EARLY);
    if (this.kind === "front") at = Math.min(at, now + FRONT);
    if (this.inflight === 0 || at === Infinity) return this.disarm();
    if (this.timer !== undefined) {
      if (this.sections === 0 && (Math.abs(this.armed - at) <= 1 || (this.kind === "front" && this.armed < at))) return;
      clearTimeout(this.timer);
    }
    this.armed = at;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.armed = Infinity;
      if (i.dead) return this.failAll(i.dead);
      if (this.kicked) {
        this.waitKick();
        return this.onKick();
      }
      if (Date.now() < i.deadline) return this.arm(i);
      this.run(null);
    }, Math.max(0, at - now));
  }
  disarm() {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.armed = Infinity;
  }

  failAll(e) {
    for (const p of this.pending.values()) p.reject(e);
    for (const s of this.streams.values()) s.end(e);
    for (const f of this.work.values()) f();
    for (const c of this.conns.values()) if (!c.over) c.ws.close(1011);
    for (const f of this.handlers.values()) f();
    this.conns.clear();
    this.handlers.clear();
    this.pending.clear();
    this.streams.clear();
    this.work.clear();
    this.disarm();
    this.inflight = 0;
  }

  begin(i) {
    if (this.inflight++ === 0) i.live.add(this.id);
  }
  end(i) {
    if (i.dead || --this.inflight > 0) return;
    i.live.delete(this.id);
    this.disarm();
    if (this.kind !== "front") return;
    for (const c of this.conns.values()) if (!c.over) c.ws.close(1001); // the platform would only find them some day
    i.forget(this.id);
  }

  // deliver sends the event whose frame is in out; it returns the result, or a promise of it.
  deliver(i, kind, n, request) {
    const ev = (i.events = i.next());
    this.begin(i);
    if (request !== undefined) this.requests.set(ev, request);
    try {
      i.post(kind, this.id, ev, n);
    } catch (e) {
      i.fatal(e);
    }
    this.syncEvent = ev;
    this.syncResult = undefined;
    this.run(null);
    if (this.syncEvent === 0) {
      const r = this.syncResult;
      this.syncResult = undefined;
      if (r instanceof Failure) throw r.error;
      return r;
    }
    this.syncEvent = 0;
    if (i.dead) throw i.dead;
    if (request !== undefined) this.watch(i, ev, request);
    const { promise, resolve, reject } = Promise.withResolvers();
    this.pending.set(ev, { resolve, reject });
    return promise;
  }

  // watch tells Go when the client goes away, or has gone already.
  watch(i, ev, request) {
    const { signal } = request;
    if (!signal) return;
    const gone = () => {
      if (i.dead || this.inst !== i) return;
      if (this.kind === "front") i.forget(this.id);
      else i.post(EVENT.CANCEL, this.id, ev, 0);
      this.run(null);
    };
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone);
  }

  settle(ev, result) {
    if (ev === this.syncEvent) {
      this.syncEvent = 0;
      this.syncResult = result;
      return;
    }
    const p = this.pending.get(ev);
    if (p === undefined) return;
    this.pending.delete(ev);
    if (result instanceof Failure) p.reject(result.error);
    else p.resolve(result);
  }

  // finish ends the event for the accounts, after Go's handler has returned.
  finish(i, ev) {
    this.requests.delete(ev);
    this.handlers.get(ev)?.();
    this.handlers.delete(ev);
    this.end(i);
  }

  // later completes an asynchronous operation when the promise that f makes has settled. put writes the answer; an error
  // is what fail makes of it, if that is given.
  later(token, f, put, fail) {
    let p;
    try {
      p = f();
    } catch (e) {
      p = Promise.reject(e);
    }
    const i = this.inst;
    Promise.resolve(p).then(
      (v) => this.done(i, token, () => put?.(v)),
      (e) => this.done(i, token, undefined, fail === undefined ? e : fail(e)),
    );
    return 0;
  }
  done(i, token, put, error) {
    if (this.inst !== i) return;
    if (i.dead) return this.failAll(i.dead);
    out.start().byte(put ? 1 : 0);
    try {
      if (put) put();
      else putError(error);
    } catch (e) {
      out.start().byte(0);
      putError(e);
    }
    i.post(EVENT.DONE, this.id, token, out.n);
    this.run(null);
  }

  outgoing(id) {
    let s = this.streams.get(id);
    if (s === undefined) this.streams.set(id, (s = new Outgoing(this, id)));
    return s;
  }

  log(token, p, n) {
    const u8 = this.inst.u8;
    const s = text.decode(u8.subarray(p + 1, p + n));
    [console.debug, console.log, console.warn, console.error][u8[p]]?.(s);
    return 0;
  }

  // within runs f in a section that has just been opened.
  async within(i, f) {
    this.sections++;
    this.rekick();
    try {
      await f();
    } finally {
      if (this.inst === i) this.sections--;
    }
  }

  // inSection runs body's event between the platform's begin and end. The platform knows what it is within.
  inSection(token, start) {
    const i = this.inst;
    const body = async (transaction) => {
      const ev = i.next();
      if (transaction) this.transactions.set(ev, transaction);
      try {
        await this.within(i, () => {
          out.start().u32(token);
          return this.deliver(i, EVENT.BLOCK, out.n);
        });
      } finally {
        this.transactions.delete(ev);
      }
    };
    return this.later(token, () => start(body).finally(() => this.rekick()));
  }

  namespace(binding) {
    const [name, jurisdiction] = binding.split("\0");
    const ns = this.env[name];
    if (typeof ns?.idFromName !== "function") {
      throw new Error(`no Durable Object namespace is bound as ${name}: add it to durable_objects.bindings`);
    }
    return jurisdiction === undefined ? ns : ns.jurisdiction(jurisdiction);
  }

  // ---- operations

  op(op, token, p, n, i) {
    switch (op) {
      case OP.REPLY: {
        const streaming = this.settleReply(token, i);
        if (!streaming) this.finish(i, token);
        return 0;
      }
      case OP.RETURN: {
        this.settle(token, n === 0 ? undefined : this.result(i));
        this.finish(i, token);
        return 0;
      }
      case OP.FAIL:
        this.settle(token, new Failure(i.rerror()));
        this.finish(i, token);
        return 0;
      case OP.SQL:
        return this.query(i, token);
      case OP.LOG:
        return this.log(token, p, n);
      case OP.WAKE:
        return i.wake(token);
      case OP.BODY_READ: {
        const h = i.ru32();
        const b = this.bodies.get(h);
        return this.later(
          token,
          () => (b.reader ??= b.stream.getReader()).read(),
          ({ done, value }) => {
            if (done) this.bodies.delete(h);
            else out.raw(value instanceof Uint8Array ? value : new Uint8Array(value));
          },
        );
      }
      case OP.BODY_CANCEL: {
        const b = this.bodies.get(token);
        this.bodies.delete(token);
        if (b !== undefined) (b.reader ?? b.stream).cancel().catch(() => {});
        return 0;
      }
      case OP.BODY_WRITE:
        this.outgoing(i.ru32()).write(token, i.rest());
        return 0;
      case OP.BODY_END: {
        const s = this.streams.get(token);
        s?.end(n > 0 ? i.rerror() : undefined);
        if (s?.event) this.finish(i, token);
        return 0;
      }
      case OP.SQL_INTERN:
        i.statements[token] = text.decode(i.u8.subarray(p, p + n));
        return 0;
      case OP.SQL_NEXT:
        return this.rows(token, this.cursors.get(token), 0);
      case OP.SQL_CLOSE:
        this.cursors.delete(token);
        return 0;
      case OP.SQL_SIZE:
        out.f64(this.sql.databaseSize);
        return undefined;
      case OP.ABORT:
        this.aborting = i.rerror();
        this.aborting.retryAlarm = token === 0;
        return 0;
      case OP.WAIT_UNTIL:
        this.begin(i);
        if (n > 0) this.work.set(token, () => {});
        else this.ctx.waitUntil(new Promise((resolve) => this.work.set(token, resolve)));
        return 0;
      case OP.WORK_DONE:
        this.work.get(token)?.();
        this.work.delete(token);
        this.end(i);
        return 0;
      case OP.BLOCK:
        return this.inSection(token, (body) => this.ctx.blockConcurrencyWhile(body));
    }
    if (op >= OP.TARGET) return this.linkOp(op, token, i);
    if (op >= OP.CONN_ACCEPT) return this.connOp(op, token, i);
    if (op >= OP.SOCKET_ACCEPT) return this.socketOp(op, token, i);
    if (op >= OP.ID_FROM_NAME) return this.namespaceOp(op, token, i);
    return this.storageOp(op, token, i);
  }

  settleReply(ev, i) {
    const r = i.rresponse(this);
    const s = this.streams.get(ev);
    if (s !== undefined) s.event = true;
    this.settle(ev, r);
    return s !== undefined;
  }

  query(i, statement) {
    const flags = i.rbyte();
    const args = [];
    for (let k = i.ru16(); k > 0; k--) {
      switch (i.rbyte()) {
        case 0:
          args.push(null);
          break;
        case 1:
          args.push(i.rf64());
          break;
        case 2:
          args.push(i.rstr());
          break;
        case 3: {
          const n = i.ru32();
          args.push(i.u8.slice(i.p, i.p + n));
          i.p += n;
        }
      }
    }
    const q = i.statements[statement];
    const cursor = args.length === 0 ? this.sql.exec(q) : this.sql.exec(q, ...args);
    if ((flags & 2) === 0) return this.rows(0, { cursor, raw: cursor.raw() }, flags);
    while (!cursor.next().done);
    out.n = 0;
    out.f64(cursor.rowsRead);
    out.f64(cursor.rowsWritten);
    return undefined;
  }

  // rows writes the next chunk of a result.
  rows(handle, c, flags) {
    out.n = 0;
    const { cursor, raw } = c;
    let count = 0;
    out.u32(0);
    let next = c.next ?? raw.next();
    const width = flags & 1 || next.done ? cursor.columnNames.length : next.value.length;
    out.u16(width);
    out.byte(flags & 1);
    if (flags & 1) for (const name of cursor.columnNames) out.str(name);
    const at = out.n;
    out.u32(0);
    while (!next.done && out.n < CHUNK) {
      count++;
      for (const v of next.value) {
        if (typeof v === "number") {
          out.byte(1);
          out.f64(v);
        } else if (typeof v === "string") {
          out.byte(2);
          out.str(v);
        } else if (v === null) {
          out.byte(0);
        } else {
          out.byte(3);
          out.bytes(new Uint8Array(v));
        }
      }
      next = raw.next();
    }
    out.dv.setUint32(at, count, true);
    if (next.done) {
      this.cursors.delete(handle);
      handle = 0;
    } else {
      if (handle === 0) handle = ++this.lastHandle;
      c.next = next;
      this.cursors.set(handle, c);
    }
    out.dv.setUint32(0, handle, true);
    return undefined;
  }

  storageOp(op, token, i) {
    const { storage } = this;
    switch (op) {
      case OP.KV_GET: {
        const v = storage.kv.get(text.decode(i.rest()));
        out.byte(v === undefined ? 0 : 1);
        if (v !== undefined) out.raw(encode(v));
        return undefined;
      }
      case OP.KV_PUT:
        storage.kv.put(i.rstr(), i.rvalue());
        return 0;
      case OP.KV_DELETE:
        out.byte(storage.kv.delete(text.decode(i.rest())) ? 1 : 0);
        return undefined;
      case OP.KV_LIST:
        return putEntries(storage.kv.list(listOptions(i)));
      case OP.GET: {
        const o = options(i);
        const keys = strings(i);
        return this.later(token, () => storage.get(keys, o), putEntries);
      }
      case OP.PUT: {
        const o = options(i);
        const entries = {};
        for (let k = i.ru32(); k > 0; k--) {
          const key = i.rstr();
          const n = i.ru32();
          entries[key] = decode(i.u8.slice(i.p, i.p + n), 0).value;
          i.p += n;
        }
        return this.later(token, () => storage.put(entries, o));
      }
      case OP.DELETE: {
        const o = options(i);
        const keys = strings(i);
        return this.later(token, () => storage.delete(keys, o), (n) => out.u32(n));
      }
      case OP.LIST: {
        const o = options(i);
        const l = { ...listOptions(i), ...o };
        return this.later(token, () => storage.list(l), putEntries);
      }
      case OP.ALARM_GET:
        return this.later(token, () => storage.getAlarm(), (at) => out.f64(at ?? NaN));
      case OP.ALARM_SET: {
        const at = i.rf64();
        const o = options(i);
        return this.later(token, () => storage.setAlarm(at, o));
      }
      case OP.ALARM_DELETE: {
        const o = options(i);
        return this.later(token, () => storage.deleteAlarm(o));
      }
      case OP.SYNC:
        return this.later(token, () => storage.sync());
      case OP.DELETE_ALL:
        return this.later(token, () => storage.deleteAll());
      case OP.BOOKMARK:
        return this.later(token, () => storage.getCurrentBookmark(), (s) => out.raw(utf8.encode(s)));
      case OP.TRANSACTION:
        return this.inSection(token, (body) => storage.transaction(body));
      case OP.ROLLBACK:
        this.transactions.get(token).rollback();
        return 0;
      case OP.TRANSACTION_SYNC: {
        let rollback = 0;
        try {
          storage.transactionSync(() => {
            i.control[CONTROL.TRANSACTION] = 0;
            rollback = i.x.durago_transaction(token);
            i.views();
            if (i.control[CONTROL.TRANSACTION] !== token) {
              i.fatal(new Error("a TransactionSync body waited"));
              throw i.dead;
            }
            if (rollback) throw ROLLBACK;
          });
        } catch (e) {
          if (e !== ROLLBACK) throw e;
        }
        out.n = 0;
        out.byte(rollback);
        return undefined;
      }
    }
    throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
  }

  namespaceOp(op, token, i) {
    switch (op) {
      case OP.ID_FROM_NAME:
        out.str(this.namespace(i.rstr()).idFromName(i.rstr()).toString());
        return undefined;
      case OP.ID_UNIQUE: {
        const ns = this.namespace(i.rstr());
        const jurisdiction = i.rstr();
        out.str(ns.newUniqueId(jurisdiction === "" ? {} : { jurisdiction }).toString());
        return undefined;
      }
      case OP.ID_PARSE:
        out.str(this.namespace(i.rstr()).idFromString(i.rstr()).toString());
        return undefined;
      case OP.STUB: {
        const ns = this.namespace(i.rstr());
        const hex = i.rstr();
        const named = i.rbyte() === 1;
        const name = i.rstr();
        const locationHint = i.rstr();
        const id = named ? ns.idFromName(name) : ns.idFromString(hex);
        if (id.toString() !== hex.toLowerCase()) throw new TypeError("Durable Object ID is not valid for this namespace.");
        this.stubs.set(token, locationHint === "" ? ns.get(id) : ns.get(id, { locationHint }));
        return 0;
      }
      case OP.STUB_DROP:
        this.dropStub(token, i);
        return 0;
      case OP.STUB_CALL: {
        const stub = this.stub(i.ru32());
        const method = i.rstr();
        const args = i.rvalue(this);
        const call = () => (method === "" ? stub(...args) : stub[method](...args));
        return this.later(token, call, (v) => out.raw(this.encoded(v)), (e) => named(e, stub));
      }
      case OP.STUB_FETCH: {
        const stub = this.stub(i.ru32());
        return this.fetching(token, i.rrequest(this), i.flags, (r, o) => stub.fetch(r, o));
      }
      case OP.FETCH:
        return this.fetching(token, i.rrequest(this), i.flags, (r, o) => fetch(r, o));
      case OP.FETCH_ABORT:
        this.aborts.get(token)?.abort();
        return 0;
      case OP.FORWARD: {
        const stub = this.stub(i.ru32());
        const ev = i.ru32();
        const original = this.requests.get(ev);
        let request = original;
        if (i.p < i.end) {
          const r = i.rrequest(this);
          request = new Request(r.url, {
            method: r.method,
            headers: r.headers,
            body: r.method === "GET" || r.method === "HEAD" ? undefined : original.body,
            redirect: "manual",
          });
        }
        return this.later(token, async () => this.settle(ev, await stub.fetch(request)));
      }
    }
    throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
  }

  // ---- what crosses in values and is no data

  linkOp(op, token, i) {
    switch (op) {
      case OP.TARGET: {
        const lent = new Lent(this, i, token);
        const name = i.rstr();
        this.lent.set(token, name === "" ? callback(lent) : new targets[name](lent));
        if (this.service !== undefined) this.begin(i); // an entrypoint's context lasts as long as somebody has something of it
        return 0;
      }
      case OP.STUB_DUP: {
        const stub = this.stub(i.ru32());
        this.stubs.set(token, typeof stub === "function" ? stub.dup() : stub);
        return 0;
      }
      case OP.SERVICE: {
        const name = i.rstr();
        const service = this.env[name];
        if (typeof service?.fetch !== "function") throw new Error(`no service is bound as ${name}: add it to services`);
        this.stubs.set(token, service);
        return 0;
      }
    }
    throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
  }

  stub(handle) {
    const s = this.stubs.get(handle);
    if (s === undefined) throw new Error("RPC stub used after being disposed.");
    return s;
  }

  // dropStub is told that Go does not use a stub any more, or will not lend what it was about to.
  dropStub(handle, i) {
    const s = this.forgetStub(handle);
    if (typeof s === "function") s[Symbol.dispose](); // stubs of objects and services have nothing to dispose
    if (this.lent.delete(handle) && this.service !== undefined) this.end(i);
  }

  forgetStub(handle) {
    const s = this.stubs.get(handle);
    if (this.stubs.delete(handle) && handle & LINK.GIVEN) this.given--;
    return s;
  }

  // encoded is a value for Go.
  encoded(v) {
    this.landed = undefined;
    return encode(v, this);
  }

  // link makes the kind and id of a handle for what Go is given.
  link(v) {
    const isStream = v instanceof ReadableStream;
    if (!isStream && typeof v !== "function" && !STUBS.has(Object.prototype.toString.call(v))) return undefined;
    if (this.bodies.size >= MAX_LINKS || this.given >= MAX_LINKS) {
      const e = new Error(`durago: ${MAX_LINKS} stubs or streams of one object or request are in use: dispose those that are not needed any more`);
      throw Object.assign(e, { overloaded: true });
    }
    const id = ++this.lastHandle;
    if (isStream) {
      this.bodies.set(id, { stream: v, reader: undefined });
      return [LINK.STREAM, id];
    }
    const handle = id | LINK.GIVEN;
    this.stubs.set(handle, v);
    this.given++;
    (this.landed ??= []).push(handle);
    return [LINK.STUB, handle];
  }

  // follow makes what a handle of Go's names.
  follow(kind, id) {
    switch (kind) {
      case LINK.STREAM:
        return this.outgoing(id).readable;
      case LINK.PASS: {
        const b = this.bodies.get(id);
        this.bodies.delete(id);
        return b.stream;
      }
      case LINK.STUB:
        return this.stub(id);
      case LINK.TARGET:
      case LINK.CALLBACK:
        return this.lent.get(id);
    }
    throw new Error(`durago: unknown handle ${kind}: app.wasm is newer than this shim`);
  }

  // calling delivers a call whose head is in out. Stubs among its arguments end with it, on the platform too.
  calling(i, kind, args) {
    out.raw(this.encoded(Array.prototype.slice.call(args)));
    const { landed } = this;
    if (landed === undefined) return this.deliver(i, kind, out.n);
    return (async () => {
      try {
        return await this.deliver(i, kind, out.n);
      } finally {
        for (const h of landed) this.forgetStub(h);
      }
    })();
  }

  // result is what a method of Go's has returned.
  result(i) {
    try {
      return i.rvalue(this);
    } catch (e) {
      return new Failure(e);
    }
  }

  // callLent is a call of something that Go has lent.
  callLent(lent, method, args) {
    const i = this.inst;
    if (i.dead || lent.inst !== i || !i.contexts.has(this.id) || !this.lent.has(lent.id)) {
      throw new Error("The execution context which hosts this callback is no longer running.");
    }
    out.start().u32(lent.id);
    out.str(method);
    return this.calling(i, EVENT.TARGET, args);
  }

  // unlent tells Go that nobody can call something any more that it has lent.
  unlent(lent) {
    const i = this.inst;
    if (i.dead || lent.inst !== i || !i.contexts.has(this.id)) return;
    if (i.running !== undefined) {
      Promise.resolve().then(() => this.unlent(lent));
      return;
    }
    if (!this.lent.delete(lent.id)) return;
    i.post(EVENT.UNLENT, this.id, lent.id, 0);
    this.run(null);
    if (this.service !== undefined) this.end(i);
  }

  fetching(token, request, flags, send) {
    const upgrade = (flags & REQUEST_UPGRADE) !== 0;
    const abort = new AbortController();
    this.aborts.set(token, abort);
    return this.later(
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
          this.aborts.delete(token);
        }
      },
      ({ r, bytes }) => {
        out.u16(r.status);
        out.u32(r.webSocket && upgrade ? this.conn(r.webSocket, this.kind === "object") : 0);
        putHeaders(r.headers);
        if (bytes !== undefined) {
          out.byte(BODY.INLINE);
          out.raw(bytes);
        } else this.putBody(r.body);
      },
    );
  }

  putBody(stream) {
    if (stream === null) return out.byte(BODY.NONE);
    const handle = ++this.lastHandle;
    this.bodies.set(handle, { stream, reader: undefined });
    out.byte(BODY.STREAM);
    out.u32(handle);
  }

  // conn has a handle for an ordinary socket.
  conn(ws, lasts) {
    const handle = ++this.lastHandle;
    this.conns.set(handle, new Conn(this, handle, ws, lasts));
    return handle;
  }

  connOp(op, token, i) {
    switch (op) {
      case OP.CONN_ACCEPT: {
        const { 0: webSocket, 1: server } = new WebSocketPair();
        const answer = new Response(null, { status: 101, headers: i.rheaders(), webSocket });
        out.u32(this.conn(server, true));
        this.settle(token, answer);
        this.ctx.waitUntil(new Promise((resolve) => this.handlers.set(token, resolve))); // or it ends with the client
        return undefined;
      }
      case OP.CONN_RECEIVE: {
        const c = this.conns.get(i.ru32());
        if (c === undefined) throw new Error("this WebSocket is closed");
        return c.receive(token);
      }
      case OP.CONN_SEND: {
        const isText = i.rbyte() === 1;
        this.conns.get(token)?.ws.send(isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest());
        return 0;
      }
      case OP.CONN_CLOSE: {
        const code = i.ru16();
        const reason = i.rstr();
        const ws = this.conns.get(token)?.ws;
        if (code === 0 && reason === "") ws?.close();
        else ws?.close(code === 0 ? undefined : code, reason);
        return 0;
      }
      case OP.CONN_STATE:
        out.byte(this.conns.get(token)?.state ?? WebSocket.CLOSED);
        return undefined;
      case OP.CONN_FORGET:
        this.conns.get(token)?.forget();
        this.conns.delete(token);
        return 0;
    }
    throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
  }

  socketOp(op, token, i) {
    switch (op) {
      case OP.SOCKET_ACCEPT: {
        const tags = [];
        for (let k = i.ru16(); k > 0; k--) tags.push(i.rstr());
        const { 0: client, 1: server } = new WebSocketPair();
        this.ctx.acceptWebSocket(server, tags);
        const handle = this.socket(server);
        this.clients.set(handle, client);
        out.u32(handle);
        return undefined;
      }
      case OP.SOCKET_SEND: {
        const isText = i.rbyte() === 1;
        this.ws(token).send(isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest());
        return 0;
      }
      case OP.SOCKET_BROADCAST: {
        const isText = i.rbyte() === 1;
        const to = [];
        for (let k = i.ru32(); k > 0; k--) to.push(i.ru32());
        const m = isText ? text.decode(i.u8.subarray(i.p, i.end)) : i.rest();
        for (const h of to) {
          try {
            this.ws(h).send(m);
          } catch {
            // Closed: a broadcast passes it over.
          }
        }
        return 0;
      }
      case OP.SOCKET_CLOSE: {
        const code = i.ru16();
        const reason = i.rstr();
        if (code === 0 && reason === "") this.ws(token).close();
        else this.ws(token).close(code === 0 ? undefined : code, reason);
        return 0;
      }
      case OP.SOCKETS:
        for (const ws of i.rbyte() === 1 ? this.ctx.getWebSockets(i.rstr()) : this.ctx.getWebSockets()) {
          out.u32(this.socket(ws));
        }
        return undefined;
      case OP.SOCKET_TAGS: {
        const tags = this.ctx.getTags(this.ws(token));
        out.u16(tags.length);
        for (const t of tags) out.str(t);
        return undefined;
      }
      case OP.SOCKET_ATTACH:
        this.ws(token).serializeAttachment(i.rvalue());
        return 0;
      case OP.SOCKET_ATTACHMENT: {
        const v = this.ws(token).deserializeAttachment();
        out.byte(v === null ? 0 : 1);
        if (v !== null) out.raw(encode(v));
        return undefined;
      }
      case OP.AUTO_RESPONSE:
        if (i.rbyte() === 0) this.ctx.setWebSocketAutoResponse();
        else this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(i.rstr(), i.rstr()));
        return 0;
      case OP.SOCKET_PINGED:
        out.f64(this.ctx.getWebSocketAutoResponseTimestamp(this.ws(token))?.getTime() ?? NaN);
        return undefined;
      case OP.SOCKET_STATE:
        out.byte(this.ws(token).readyState);
        return undefined;
    }
    throw new Error(`durago: unknown operation ${op}: app.wasm is newer than this shim`);
  }

  socket(ws) {
    let h = this.handles.get(ws);
    if (h === undefined) {
      h = ++this.lastHandle;
      this.handles.set(ws, h);
      this.sockets.set(h, ws);
    }
    return h;
  }
  ws(handle) {
    const ws = this.sockets.get(handle);
    if (ws === undefined) throw new Error("this WebSocket is closed");
    return ws;
  }

  // ---- events

  fetch(request) {
    const i = this.attach();
    const kind = this.head(EVENT.FETCH);
    out.str(request.method);
    out.str(request.url);
    out.byte(0);
    putHeaders(request.headers);
    this.putBody(request.body);
    return this.deliver(i, kind, out.n, request);
  }
  rpc(method, args) {
    const i = this.attach();
    const kind = this.head(EVENT.RPC);
    out.str(method);
    return this.calling(i, kind, args);
  }
  // head begins the frame of an event. That of an entrypoint says which, and what its binding says.
  head(kind) {
    out.start();
    if (this.service === undefined) return kind;
    const { props } = this.ctx;
    out.str(this.service);
    out.bytes(props === undefined || Object.keys(props).length === 0 ? new Uint8Array() : encode(props));
    out.byte(kind === EVENT.RPC ? 1 : 0);
    return EVENT.SERVICE;
  }
  alarm(info) {
    const i = this.attach();
    out.start().f64(info?.scheduledTime ?? Date.now());
    out.u32(info?.retryCount ?? 0);
    return this.deliver(i, EVENT.ALARM, out.n);
  }
  socketMessage(ws, message) {
    const i = this.attach();
    out.start().u32(this.socket(ws));
    if (typeof message === "string") {
      out.byte(1);
      out.raw(utf8.encode(message));
    } else {
      out.byte(0);
      out.raw(new Uint8Array(message));
    }
    return this.deliver(i, EVENT.SOCKET_MESSAGE, out.n);
  }
  async socketClose(ws, code, reason, clean) {
    const i = this.attach();
    const handle = this.socket(ws);
    out.start().u32(handle);
    out.u16(code);
    out.byte(clean ? 1 : 0);
    out.str(reason);
    try {
      await this.deliver(i, EVENT.SOCKET_CLOSE, out.n);
    } finally {
      this.sockets.delete(handle);
    }
  }
  async socketError(ws, error) {
    const i = this.attach();
    const handle = this.socket(ws);
    out.start().u32(handle);
    out.str(String(error?.message ?? error));
    try {
      await this.deliver(i, EVENT.SOCKET_ERROR, out.n);
    } finally {
      this.sockets.delete(handle);
    }
  }
  scheduled(controller) {
    const i = this.attach();
    out.start().str(controller.cron);
    out.f64(controller.scheduledTime);
    return this.deliver(i, EVENT.SCHEDULED, out.n);
  }
}

class Failure {
  constructor(error) {
    this.error = error;
  }
}

const ROLLBACK = new Error("rollback");

// What can be called besides functions, as the platform names it.
const STUBS = new Set(["[object Fetcher]", "[object DurableObject]", "[object JsRpcStub]"]);

// named has a remote error name the object that was called: the platform's names the caller where that is an object, and
// nobody where the platform itself refuses.
function named(e, stub) {
  if (typeof stub !== "function" && e?.remote === true) e.durableObjectId = Object.hasOwn(stub, "id") ? stub.id.toString() : "";
  return e;
}

// Lent is the way back from what Go has lent.
class Lent {
  constructor(context, inst, id) {
    this.context = context;
    this.inst = inst;
    this.id = id;
  }
  rpc(method, args) {
    return this.context.callLent(this, method, args);
  }
  dispose() {
    this.context.unlent(this);
  }
}

function callback(lent) {
  const f = (...args) => lent.rpc("", args);
  f[Symbol.dispose] = () => lent.dispose();
  return f;
}

let targets = {}; // name of a contract → class

function targetClass(methods) {
  class GoTarget extends RpcTarget {
    constructor(lent) {
      super();
      own.set(this, lent);
    }
    [Symbol.dispose]() {
      own.get(this).dispose();
    }
  }
  for (const name of methods) {
    const value = function (...args) {
      return call(this, name, args);
    };
    Object.defineProperty(GoTarget.prototype, name, { value, writable: true, configurable: true });
  }
  return GoTarget;
}

let count = 0; // of the headers that are being put

function putHeader(value, name) {
  count++;
  out.str(name);
  out.str(value);
}

function putHeaders(headers) {
  const at = out.n;
  out.u16(0);
  count = 0;
  headers.forEach(putHeader);
  out.dv.setUint16(at, count, true);
}

function putEntries(entries) {
  const at = out.n;
  out.u32(0);
  let n = 0;
  for (const [k, v] of entries) {
    n++;
    out.str(k);
    out.bytes(encode(v));
  }
  out.dv.setUint32(at, n, true);
  return undefined;
}

function options(i) {
  const f = i.rbyte();
  return { allowConcurrency: (f & 1) !== 0, allowUnconfirmed: (f & 2) !== 0, noCache: (f & 4) !== 0 };
}

function strings(i) {
  const list = [];
  for (let k = i.ru32(); k > 0; k--) list.push(i.rstr());
  return list;
}

function listOptions(i) {
  const f = i.rbyte();
  const o = {};
  const limit = i.rf64();
  if (f & 1) o.limit = limit;
  for (const [bit, name] of [[2, "prefix"], [4, "start"], [8, "startAfter"], [16, "end"]]) {
    const s = i.rstr();
    if (f & bit) o[name] = s;
  }
  if (f & 32) o.reverse = true;
  return o;
}

// ---- what the generated worker uses ---------------------------------------------------------------------------------

const own = new WeakMap(); // object, entrypoint or target → Context or Lent; a property would be visible to its methods

// call is the body of every generated RPC method.
export function call(object, method, args) {
  return own.get(object).rpc(method, args);
}

// start keeps the compiled module and makes the classes of targets. Go itself starts with the first event.
export function start(wasm, options) {
  module = wasm;
  ownInstance = options.ownInstance;
  targets = Object.fromEntries(Object.entries(options.targets).map(([name, list]) => [name, targetClass(list)]));
  return { object, service, entrypoint };
}

// service is the base class of a named entrypoint, of which the platform makes one for each event.
function service(name) {
  return class extends WorkerEntrypoint {
    constructor(ctx, env) {
      super(ctx, env);
      const c = new Context("front", ctx, env);
      c.service = name;
      own.set(this, c);
    }
    fetch(request) {
      return own.get(this).fetch(request);
    }
  };
}

// object is the base class of a Durable Object class; alarm says whether the class handles alarms, because the
// platform refuses setAlarm otherwise.
function object(className, { alarm = false } = {}) {
  class GoObject extends DurableObject {
    constructor(ctx, env) {
      super(ctx, env);
      const c = new Context("object", ctx, env);
      c.className = className;
      own.set(this, c);
      c.build();
    }
    fetch(request) {
      return own.get(this).fetch(request);
    }
    webSocketMessage(ws, message) {
      return own.get(this).socketMessage(ws, message);
    }
    webSocketClose(ws, code, reason, clean) {
      return own.get(this).socketClose(ws, code, reason, clean);
    }
    webSocketError(ws, error) {
      return own.get(this).socketError(ws, error);
    }
  }
  if (alarm) {
    GoObject.prototype.alarm = function (info) {
      return own.get(this).alarm(info);
    };
  }
  return GoObject;
}

// entrypoint is the worker's default export. Routes go to objects without Go running for them here.
function entrypoint({ fetch: hasFetch = true, scheduled = false, routes = [] } = {}) {
  const handlers = {};
  const front = (request, env, ctx) => new Context("front", ctx, env).fetch(request);
  if (hasFetch) {
    handlers.fetch =
      routes.length === 0
        ? front
        : (request, env, ctx) => {
            const to = route(routes, request);
            return to === undefined ? front(request, env, ctx) : env[to.binding].getByName(to.name).fetch(request);
          };
  }
  if (scheduled) handlers.scheduled = (controller, env, ctx) => new Context("front", ctx, env).scheduled(controller);
  return handlers;
}

// route finds the object that a request is for, as Route.Match of wasm/abi does.
export function route(routes, { method, url }) {
  const from = url.indexOf("/", url.indexOf("://") + 3) + 1;
  let to = url.indexOf("?", from);
  if (to < 0) to = url.indexOf("#", from);
  if (to < 0) to = url.length;
  const path = url.slice(from, to).split("/");
  for (const [want, segments, rest, binding] of routes) {
    if (want !== "" && want !== method && !(want === "GET" && method === "HEAD")) continue;
    if (rest ? path.length <= segments.length : path.length !== segments.length) continue;
    let name;
    const fits = segments.every((segment, k) => {
      const got = unescaped(path[k]);
      if (got === undefined || got === "" || got === "/") return false;
      if (segment === null) name = got;
      return segment === null || segment === got;
    });
    if (fits) return { binding, name };
  }
  return undefined;
}

function unescaped(segment) {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
