// The Go instance: its boot, its memory, and the operations that it performs.
import { env as workerEnv } from "cloudflare:workers";
import { decode } from "./value.mjs";
import { ABI, BODY, CONTROL, FIRST_EVENT, OP } from "./abi.mjs";
import { FLAGS, makeError, putError } from "./error.mjs";
import { isASCII, latin1, out, text } from "./frame.mjs";

let instance; // of this isolate
let ownInstance = false; // objects have theirs
let module;

// setModule keeps the compiled module; Go itself starts with the first event.
export function setModule(wasm, own) {
  module = wasm;
  ownInstance = own;
}

// theInstance is the one that a context runs in.
export function theInstance(object) {
  if (ownInstance && object) return new Instance(module);
  return (instance ??= new Instance(module));
}

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
    return Math.max((this.events + 1) >>> 0, FIRST_EVENT);
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
        init.body = c.passed(this.ru32());
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
