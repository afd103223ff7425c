// A worker in TypeScript that calls objects written in Go with what is no data: targets, functions, streams, stubs. The
// types are what `durago build` wrote; the module runs beside the Go worker in one workerd.
import type { Env } from "./worker";

// outcome is what came of a call, or the error with what it carries.
async function outcome(f: () => Promise<unknown>): Promise<unknown> {
  try {
    return await f();
  } catch (e) {
    const { name, message, code, cause, remote } = e as Error & { code?: unknown; remote?: boolean };
    return { class: (e as Error).constructor.name, name, message, code, cause, remote };
  }
}

// until waits for something that happens soon.
async function until(f: () => Promise<string>, want: string): Promise<string> {
  let got = "";
  for (let n = 0; n < 100 && got !== want; n++) {
    await scheduler.wait(10);
    got = await f();
  }
  return got;
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const a = env.PEER.getByName("javascript");
    const text = (s: ReadableStream) => new Response(s).text();
    const bytes = (s: string) => new Blob([s]).stream();
    const results: Record<string, unknown> = {
      pipelined: await outcome(async () => await a.counter(5).increment(2)),
      deeper: await outcome(async () => await a.counter(5).another().increment(1)),
      bundle: await outcome(async () => await a.bundled("it").counter.increment(1)),
      disposed: await outcome(async () => {
        const c = await a.counter(5);
        await c.increment(1);
        c[Symbol.dispose]();
        return await until(async () => ((await a.logged()).includes("disposed at 6") ? "told" : ""), "told");
      }),
      afterwards: await outcome(async () => {
        const c = await a.counter(5);
        c[Symbol.dispose]();
        return await c.increment(1);
      }),
      failing: await outcome(async () => await a.counter(5).fails()),
      callback: await outcome(() => a.apply((n: number) => n * n, 3)),
      asynchronous: await outcome(() => a.apply(async (n: number) => n + 1, 3)),
      function: await outcome(async () => {
        const f = await a.doubler();
        return await f(21);
      }),
      callbackFails: await outcome(() => a.apply(() => { throw new RangeError("in JavaScript"); }, 3)),
      own: await outcome(async () => await a.use(await a.counter(1))),
      stub: await outcome(() => a.callThere(env.PEER.getByName("other"))),
      itself: await outcome(async () => await a.self().fetch("http://x/y").then((r) => r.text())),
      read: await outcome(() => a.readAll(bytes("from JavaScript"))),
      stream: await outcome(async () => text(await a.stream("ab", 3))),
      through: await outcome(async () => text(await a.upper(bytes("through")))),
      broken: await outcome(async () => text(await a.broken())),
      own_error: await outcome(() => a.throw("props")),
      cause: await outcome(() => a.throw("cause")),
      abort: await outcome(() => a.throw("AbortError")),
      aggregate: await outcome(() => a.throw("AggregateError")),
      entry: await outcome(() => env.BARE.role()),
      entryCounter: await outcome(async () => await env.BARE.counter(7).increment(1)),
      entryFetch: await outcome(async () => (await env.BARE.fetch("http://x/path")).text()),
    };

    // @ts-expect-error: a counter counts numbers
    await outcome(async () => await a.counter(5).increment("x"));
    // @ts-expect-error: it has no such method
    await outcome(async () => await a.counter(5).decrement(1));
    // @ts-expect-error: it takes a function of numbers
    await outcome(() => a.apply((s: string) => s.length, 3));

    return Response.json(results);
  },
} satisfies ExportedHandler<Env>;
