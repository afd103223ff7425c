// What crosses in values and is no data: stubs, targets, callbacks and streams.
import { RpcTarget } from "cloudflare:workers";
import { encode } from "./value.mjs";
import { EVENT, LINK, MAX_LINKS, OP } from "./abi.mjs";
import { Failure } from "./error.mjs";
import { out } from "./frame.mjs";

// Linked is the part of a context that has links.
export class Linked {
  linkOp(op, token, i) {
    switch (op) {
      case OP.TARGET: {
        const lent = new Lent(this, i, token);
        const name = i.rstr();
        this.lent.set(token, name === "" ? callback(lent) : new targets[name](lent));
        if (this.service !== undefined) this.begin(); // an entrypoint's context lasts as long as somebody has something of it
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
      case LINK.PASS:
        return this.passed(id);
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
}

// What can be called besides functions, as the platform names it.
const STUBS = new Set(["[object Fetcher]", "[object DurableObject]", "[object JsRpcStub]"]);

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

// own has what is behind an object, entrypoint or target; a property would be visible to its methods.
export const own = new WeakMap();

// call is the body of every generated RPC method.
export function call(object, method, args) {
  return own.get(object).rpc(method, args);
}

let targets = {}; // name of a contract → class

// setTargets has classes made of contracts, each a list of methods.
export function setTargets(contracts) {
  targets = Object.fromEntries(Object.entries(contracts).map(([name, list]) => [name, targetClass(list)]));
}

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
