// The runtime half of the adapter on Workers: one Go instance per isolate, shared by all objects and requests of it, or one for
// each object.
//
// Every object and every front request is a Context. Go code runs only inside Context.run, with that context current,
// and does I/O only for the current one, because Workers binds I/O to the object or request that made it. When Go
// needs another context it asks for a kick: each context waits on a promise of its own, whose continuation runs in its
// own context whoever resolves it. That holds for Promise.withResolvers(), not for new Promise() once the code is
// optimised.
//
// The wire contract is wasm/abi.
// What each module has: abi.mjs the numbers of the contract, frame.mjs the bytes, value.mjs values, error.mjs errors; instance.mjs
// Go, context.mjs objects and requests; storage.mjs, stub.mjs, link.mjs, stream.mjs, socket.mjs and conn.mjs what Go does. The
// generated worker uses this one.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { Context } from "./context.mjs";
import { setModule } from "./instance.mjs";
import { call, own, setTargets } from "./link.mjs";

export { call };

// start keeps the compiled module and makes the classes of targets. Go itself starts with the first event.
export function start(wasm, options) {
  setModule(wasm, options.ownInstance);
  setTargets(options.targets);
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
