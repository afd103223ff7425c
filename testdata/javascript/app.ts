// A worker in TypeScript that calls objects written in Go. The types are what `durago build` wrote; the module runs
// beside the Go worker in one workerd.
import type { Env } from "./worker";

type Limiter = ReturnType<Env["RATE_LIMITER"]["getByName"]>;

// The table of the original's tests, with two seconds where it has ten, so that it runs on the real clock.
async function original(limiter: Limiter): Promise<unknown[]> {
  const seen: unknown[] = [];
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await limiter.setOptions({ max_tokens: 10, refill_every_seconds: 2 });
  seen.push(await limiter.consume("a", 10), await limiter.check("a", 1)); // empty
  seen.push(await limiter.consume("a", 0), await limiter.consume("new", 11), await limiter.consume("other", 10));
  seen.push(await limiter.consume("b", 5), await limiter.consume("c", 9));
  await wait(600);
  const b = await limiter.getStatus("b");
  seen.push(b.remaining, b.reset_in_ms > 0 && b.reset_in_ms <= 1400);
  seen.push(await limiter.consume("c", 0)); // partial progress is not lost
  await wait(600);
  seen.push(await limiter.consume("c", 0));
  await wait(850);
  seen.push(await limiter.check("a", 1), await limiter.check("a", 2), await limiter.check("c", 2));
  await limiter.reset("a");
  seen.push((await limiter.getStatus("a")).remaining, (await limiter.getStatus("a")).reset_in_ms);
  await limiter.setOptions({ max_tokens: 20 });
  const fresh = await limiter.getStatus("fresh");
  seen.push(fresh.limit, await limiter.consume("fresh", 20), (await limiter.getStatus("fresh")).reset_in_ms > 1000);
  return seen;
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const limiter = env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName("javascript"));
    const ok: boolean = await limiter.consume("k", 1);
    const { remaining, limit } = await limiter.getStatus("k");
    await limiter.setOptions({ max_tokens: 5 });

    const rule = { algorithm: "gcra", quota: 5, period_ms: 3_600_000 };
    await limiter.setRule({ name: "api", limits: [rule] });
    const request = { descriptors: [{ rule: "api", key: "k" }, { rule: "default", key: "k" }], cost: 3 };
    const taken = await limiter.take(request);
    const again = await limiter.take(request);
    const decisions = [taken.allowed, taken.limits[0].remaining, again.allowed, again.reason, again.limits[1].remaining];
    await limiter.refund(request);
    const peeked = (await limiter.peek({ ...request, cost: 5 })).allowed;
    const codes: string[] = [];
    for (const cost of [-1, 1e15, 0.5, NaN]) {
      await limiter.take({ ...request, cost }).catch((e) => codes.push(e.code ?? e.name));
      await limiter.consume("k", cost).then((passed) => codes.push(String(passed)), (e) => codes.push(e.code ?? e.name));
    }
    const lone = await limiter.consume("\ud800", 1).then(String, (e) => e.code ?? e.name);
    const big = await limiter.consume("k".repeat(1 << 20), 1).then(String, (e) => e.code ?? e.name);
    const usage = (await limiter.getUsage({ rule: "api" })).usage.length;

    const table = await original(env.RATE_LIMITER.getByName("table"));

    const counter = env.COUNTER.getByName("javascript");
    const n: number = await counter.increment(2);

    // @ts-expect-error: the key of a bucket is a string
    const wrong: Promise<boolean> = limiter.consume(1, 1);
    const refused = await wrong.then(() => "no", (e: Error) => e.message);

    // @ts-expect-error: the object has no such method
    const missing = await counter.decrement(1).then(() => "no", (e: Error) => e.message);

    return Response.json({ ok, remaining, limit, decisions, peeked, codes, lone, big, usage, table, n, refused, missing });
  },
} satisfies ExportedHandler<Env>;
