// Every object and every front request is a Context. See runtime.mjs.
import { encode } from "./value.mjs";
import { BODY, CONTROL, EVENT, FIRST_EVENT, OP } from "./abi.mjs";
import { connOp } from "./conn.mjs";
import { Failure, putError } from "./error.mjs";
import { out, putHeaders, text, utf8 } from "./frame.mjs";
import { theInstance } from "./instance.mjs";
import { Linked } from "./link.mjs";
import { socketOp } from "./socket.mjs";
import { query, rows, storageOp } from "./storage.mjs";
import { Outgoing } from "./stream.mjs";
import { namespaceOp } from "./stub.mjs";

let contexts = 0;

const EARLY = 20; // ms between looks while a critical section is open, which holds back timers and kicks from outside
const FRONT = 5000; // ms: a request that waits without a timer of its own would be ended as hung

// Context is an object, or a request to the front.
export class Context extends Linked {
  constructor(kind, ctx, env) {
    super();
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
    this.live = false; // the instance knows that there are
    this.pending = new Map(); // event → {resolve, reject}
    this.requests = new Map(); // event → Request
    this.asked = 0; // the event of a request whose handler has not returned or waited yet,
    this.request = undefined; // and the request
    this.streams = new Map(); // id → Outgoing
    this.bodies = new Map(); // handle → {stream, reader}; that of a request's body is its event, and it is made when first used
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
    return theInstance(this.kind === "object");
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
    if (this.inflight > 0 && !this.live) {
      this.live = true;
      i.live.add(this.id);
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
    if (this.inflight === 0) return this.disarm();
    const now = Date.now();
    let at = i.deadline;
    if (this.sections > 0) at = Math.min(at, now + EARLY);
    if (this.kind === "front") at = Math.min(at, now + FRONT);
    if (at === Infinity) return this.disarm();
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

  begin() {
    this.inflight++;
  }
  end(i) {
    if (i.dead || --this.inflight > 0) return;
    if (this.live) i.live.delete(this.id);
    this.live = false;
    this.disarm();
    if (this.kind !== "front") return;
    for (const c of this.conns.values()) if (!c.over) c.ws.close(1001); // the platform would only find them some day
    i.forget(this.id);
  }

  // deliver sends the event whose frame is in out; it returns the result, or a promise of it.
  deliver(i, kind, n, request) {
    const ev = (i.events = i.next());
    this.begin();
    if (request !== undefined) {
      this.asked = ev;
      this.request = request;
    }
    try {
      i.post(kind, this.id, ev, n);
    } catch (e) {
      i.fatal(e);
    }
    this.syncEvent = ev;
    this.syncResult = undefined;
    this.run(null);
    if (this.asked !== 0) {
      this.requests.set(this.asked, this.request);
      this.asked = 0;
      this.request = undefined;
    }
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
    if (ev === this.asked) {
      this.asked = 0;
      this.request = undefined;
    } else this.requests.delete(ev);
    this.bodies.delete(ev);
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
        return query(this, i, token);
      case OP.LOG:
        return this.log(token, p, n);
      case OP.WAKE:
        return i.wake(token);
      case OP.BODY_READ: {
        const h = i.ru32();
        const b = this.body(h);
        if (b === undefined) return this.later(token, () => Promise.resolve());
        return this.later(
          token,
          () => (b.reader ??= b.stream.getReader()).read(),
          ({ done, value }) => {
            if (!done) out.raw(value instanceof Uint8Array ? value : new Uint8Array(value));
            else if (h < FIRST_EVENT) this.bodies.delete(h);
          },
        );
      }
      case OP.BODY_CANCEL: {
        const b = this.body(token);
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
        return rows(this, token, this.cursors.get(token), 0);
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
        this.begin();
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
    if (op >= OP.CONN_ACCEPT) return connOp(this, op, token, i);
    if (op >= OP.SOCKET_ACCEPT) return socketOp(this, op, token, i);
    if (op >= OP.ID_FROM_NAME) return namespaceOp(this, op, token, i);
    return storageOp(this, op, token, i);
  }

  settleReply(ev, i) {
    const r = i.rresponse(this);
    const s = this.streams.get(ev);
    if (s !== undefined) s.event = true;
    this.settle(ev, r);
    return s !== undefined;
  }

  putBody(stream) {
    if (stream === null) return out.byte(BODY.NONE);
    const handle = ++this.lastHandle;
    this.bodies.set(handle, { stream, reader: undefined });
    out.byte(BODY.STREAM);
    out.u32(handle);
  }

  // asking is the request of an event whose handler has not returned.
  asking(ev) {
    return ev === this.asked ? this.request : this.requests.get(ev);
  }

  // body is what Go reads by a handle; undefined if there is nothing.
  body(handle) {
    let b = this.bodies.get(handle);
    const stream = b === undefined && handle >= FIRST_EVENT ? this.asking(handle)?.body : null;
    if (stream) this.bodies.set(handle, (b = { stream, reader: undefined }));
    return b;
  }

  // passed is a body that Go gives away, unread.
  passed(handle) {
    const b = this.body(handle);
    this.bodies.delete(handle);
    return b?.stream;
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
    if (putHeaders(request.headers) || request.body !== null) {
      out.byte(BODY.STREAM);
      out.u32(i.next());
    } else out.byte(BODY.NONE);
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
