// A worker in TypeScript that calls objects written in Go. The types are what `durago build` wrote; the module runs
// beside the Go worker in one workerd.
import type { Env } from "./worker";

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const limiter = env.RATE_LIMITER.get(env.RATE_LIMITER.idFromName("javascript"));
    const ok: boolean = await limiter.consume("k", 1);
    const { remaining, limit } = await limiter.getStatus("k");
    await limiter.setOptions({ max_tokens: 5 });

    const counter = env.COUNTER.getByName("javascript");
    const n: number = await counter.increment(2);

    // @ts-expect-error: the key of a bucket is a string
    const wrong: Promise<boolean> = limiter.consume(1, 1);
    const refused = await wrong.then(() => "no", (e: Error) => e.message);

    // @ts-expect-error: the object has no such method
    const missing = await counter.decrement(1).then(() => "no", (e: Error) => e.message);

    return Response.json({ ok, remaining, limit, n, refused, missing });
  },
} satisfies ExportedHandler<Env>;
