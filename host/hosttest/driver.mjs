// The harness's hand inside workerd: calls methods of objects by RPC, as any JavaScript worker would, and evicts them.
// Its sockets are on loopback and only tests start it.
import unsafe from "workerd:unsafe";
import { decode, encode } from "./value.mjs";

function failure(e) {
  const { name, message, remote, retryable, overloaded, durableObjectReset } = Object(e);
  const body = { name: String(name ?? "Error"), message: String(message ?? e), remote, retryable, overloaded, reset: durableObjectReset };
  return Response.json(body, { status: 500 });
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, verb, binding, name, ...path] = url.pathname.split("/");
    if (verb === "object") {
      const target = new URL("/" + path.join("/") + url.search, request.url);
      return env[decodeURIComponent(binding)].getByName(decodeURIComponent(name)).fetch(new Request(target, request));
    }
    const stub = env[url.searchParams.get("binding")].getByName(url.searchParams.get("name"));
    try {
      if (url.pathname === "/evict") {
        await unsafe.evict(stub);
        return new Response("");
      }
      const args = decode(new Uint8Array(await request.arrayBuffer()), 0).value;
      return new Response(encode(await stub[url.searchParams.get("method")](...args)));
    } catch (e) {
      return failure(e);
    }
  },
};
