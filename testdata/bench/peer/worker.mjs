// The peer: Durable Objects in plain JavaScript, the baseline. Routes: ../loadgen/README.md. The Go worker in ../worker
// does the same per route; a change here belongs there too.
import { DurableObject } from "cloudflare:workers";

const json = (v, status = 200) =>
  new Response(JSON.stringify(v), { status, headers: { "content-type": "application/json" } });

// Sliding-window limiter in its constant-space form: two fixed windows, the older one weighted.
const LIMIT = 1_000_000_000; // never deny during a benchmark; ?limit= overrides
const WINDOW_MS = 60_000;

function slide(row, now, limit, windowMs) {
  const start = now - (now % windowMs);
  let prev = 0, cur = 0;
  if (row) {
    if (row.start === start) { prev = row.prev; cur = row.cur; }
    else if (row.start === start - windowMs) { prev = row.cur; }
  }
  const weight = 1 - (now - start) / windowMs;
  const used = prev * weight + cur;
  const ok = used + 1 <= limit;
  if (ok) cur++;
  return { start, prev, cur, ok, remaining: Math.max(0, Math.floor(limit - used - (ok ? 1 : 0))) };
}

export class Limiter extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.ready = false;
  }
  init() {
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS w(id INTEGER PRIMARY KEY, start INTEGER, prev INTEGER, cur INTEGER)");
    this.ready = true;
  }
  fetch(req) {
    const u = new URL(req.url);
    const limit = +(u.searchParams.get("limit") ?? LIMIT);
    const windowMs = +(u.searchParams.get("window") ?? WINDOW_MS);
    const now = Date.now();
    let r;
    if (u.pathname.startsWith("/limitkv/")) {
      const kv = this.ctx.storage.kv;
      r = slide(kv.get("w"), now, limit, windowMs);
      kv.put("w", { start: r.start, prev: r.prev, cur: r.cur });
    } else {
      if (!this.ready) this.init();
      const row = this.sql.exec("SELECT start, prev, cur FROM w WHERE id = 1").toArray()[0];
      r = slide(row, now, limit, windowMs);
      this.sql.exec("INSERT OR REPLACE INTO w(id, start, prev, cur) VALUES (1, ?, ?, ?)",
        r.start, r.prev, r.cur);
    }
    return json({ ok: r.ok, remaining: r.remaining }, r.ok ? 200 : 429);
  }
}

// The algorithms of the ready limiter, in whole numbers as there. Each is the state of one limit of one key: of a row, or
// new, at a time. What is taken has room; wait is in ms, -1 for never.
const ceil = (a, b) => Math.floor(a / b) + (a % b > 0 ? 1 : 0);

class TokenBucket {
  constructor(l, now, row) {
    Object.assign(this, { l, now, tokens: row ? row.a : l.burst, since: row ? row.b : now });
    const n = Math.floor((now - this.since) / l.period);
    if (this.tokens >= l.burst || n >= ceil(l.burst - this.tokens, l.quota)) { this.tokens = l.burst; this.since = now; }
    else { this.tokens += n * l.quota; this.since += n * l.period; }
  }
  room() { return this.tokens; }
  take(cost) { this.tokens -= cost; }
  until(tokens) {
    return tokens <= this.tokens ? 0 : ceil(tokens - this.tokens, this.l.quota) * this.l.period - (this.now - this.since);
  }
  wait(cost) { return cost > this.l.burst ? -1 : this.until(cost); }
  full() { return this.now + this.until(this.l.burst); }
  state() { return [this.tokens, this.since]; }
}

class GCRA {
  constructor(l, now, row) {
    Object.assign(this, { l, now, debt: row ? Math.max(0, row.b - Math.max(0, now - row.a) * l.quota) : 0 });
  }
  room() { return Math.floor((this.l.burst * this.l.period - this.debt) / this.l.period); }
  take(cost) { this.debt += cost * this.l.period; }
  wait(cost) {
    return cost > this.l.burst ? -1 : ceil(Math.max(0, this.debt - (this.l.burst - cost) * this.l.period), this.l.quota);
  }
  full() { return this.now + ceil(this.debt, this.l.quota); }
  state() { return [this.now, this.debt]; }
}

class FixedWindow {
  constructor(l, now, row) {
    const start = now - (now % l.period);
    Object.assign(this, { l, now, start, used: row && row.a >= start ? row.b : 0 });
  }
  room() { return this.l.quota - this.used; }
  take(cost) { this.used += cost; }
  wait(cost) { return cost > this.l.quota ? -1 : cost <= this.room() ? 0 : this.start + this.l.period - this.now; }
  full() { return this.start + this.l.period; }
  state() { return [this.start, this.used]; }
}

class Month extends FixedWindow {
  constructor(l, now, row) {
    const t = new Date(now), first = (add) => Date.UTC(t.getUTCFullYear(), t.getUTCMonth() + add, 1), start = first(0);
    super({ ...l, period: first(1) - start }, now, null);
    Object.assign(this, { start, used: 0, before: 0, next: first(2) });
    if (row && row.a >= start) { this.used = row.b; this.before = row.c; }
    else if (row && row.a === first(-1)) this.before = row.b;
  }
  full() { return this.next; }
  state() { return [this.start, this.used, this.before]; }
}

class SlidingWindow {
  constructor(l, now, row) {
    const start = now - (now % l.period);
    Object.assign(this, { l, now, start, used: 0, before: 0 });
    if (row && row.a >= start) { this.used = row.b; this.before = row.c; }
    else if (row && row.a >= start - l.period) this.before = row.b;
  }
  left() { return this.start + this.l.period - this.now; }
  room() { return Math.max(0, this.l.quota - this.used - ceil(this.before * this.left(), this.l.period)); }
  take(cost) { this.used += cost; }
  wait(cost) {
    const { quota, period } = this.l;
    if (cost > quota) return -1;
    if (cost <= this.room()) return 0;
    const spare = quota - this.used - cost;
    if (spare >= 0) return this.left() - Math.floor((period * spare) / this.before);
    return this.left() + period - Math.floor((period * (quota - cost)) / this.used);
  }
  full() { return this.start + (this.used > 0 ? 2 : 1) * this.l.period; }
  state() { return [this.start, this.used, this.before]; }
}

// Entries of [time, units], sorted by time, that count for a period.
class SlidingLog {
  constructor(l, now, row) {
    Object.assign(this, { l, now, taken: row ? JSON.parse(row.list).filter(([at]) => at > now - l.period) : [] });
  }
  total() { return this.taken.reduce((sum, [, units]) => sum + units, 0); }
  room() { return this.l.quota - this.total(); }
  take(cost) {
    const last = this.taken.at(-1);
    if (last?.[0] === this.now) last[1] += cost;
    else this.taken.push([this.now, cost]);
  }
  wait(cost) {
    let excess = this.total() + cost - this.l.quota;
    if (cost > this.l.quota) return -1;
    if (excess <= 0) return 0;
    return this.taken.find(([, units]) => (excess -= units) <= 0)[0] + this.l.period - this.now;
  }
  full() { return this.taken.at(-1)[0] + this.l.period; }
  state() { return [null, null, null, JSON.stringify(this.taken)]; }
}

// What is held has a name by which it is released.
class Concurrency extends SlidingLog {
  take(cost) { this.taken.push([this.now, cost, Math.floor(Math.random() * 2 ** 53)]); }
}

const METERS = { token_bucket: TokenBucket, gcra: GCRA, fixed_window: FixedWindow, sliding_window: SlidingWindow,
  sliding_log: SlidingLog, concurrency: Concurrency, month: Month };

// By rule: one of each algorithm that denies nothing during a run, and a small one whose answers are verified.
const LIMITS = {};
for (const l of [
  { algorithm: "token_bucket", quota: 1, period: 1000, burst: 1_000_000_000 },
  { algorithm: "gcra", quota: 1_000_000_000, period: 1000, burst: 1_000_000_000 },
  { algorithm: "fixed_window", quota: 1_000_000_000, period: 60_000 },
  { algorithm: "sliding_window", quota: 1_000_000_000, period: 60_000 },
  { algorithm: "sliding_log", quota: 4096, period: 16 },
  { algorithm: "concurrency", quota: 4096, period: 16 },
  { algorithm: "month", quota: 1_000_000_000_000 },
]) {
  LIMITS[l.algorithm] = l;
  const small = { ...l, quota: 3, period: 1000 };
  if (l.algorithm === "token_bucket") small.burst = 5;
  if (l.algorithm === "gcra") small.burst = 3;
  LIMITS["small-" + l.algorithm] = small;
}

// The ready limiter: a token bucket for each key under a rule, one read and one write of its row; loans are counted in
// fixed windows.
const BUCKET = { max: 1_000_000_000, interval: 1000 };
const LOAN = { quota: 1_000_000_000, ms: 10_000 };

export class Rate extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(`CREATE TABLE IF NOT EXISTS keys(id TEXT PRIMARY KEY, tokens INTEGER NOT NULL, since INTEGER NOT NULL,
      lentAt INTEGER NOT NULL, lent INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`);
    this.sql.exec(`CREATE TABLE IF NOT EXISTS meters(id TEXT PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, list TEXT,
      expires INTEGER NOT NULL) WITHOUT ROWID`);
    this.armed = false;
    this.last = ""; // where the purge is
  }
  decide(id, cost, loan, now) {
    const row = this.sql.exec("SELECT tokens, since, lentAt, lent FROM keys WHERE id = ?", id).toArray()[0] ??
      { tokens: BUCKET.max, since: now, lentAt: now - (now % LOAN.ms), lent: 0 };
    const n = Math.floor((now - row.since) / BUCKET.interval);
    if (row.tokens + n >= BUCKET.max) { row.tokens = BUCKET.max; row.since = now; }
    else { row.tokens += n; row.since += n * BUCKET.interval; }
    const ok = row.tokens >= cost;
    let lent = 0;
    if (ok && cost > 0) {
      row.tokens -= cost;
      if (loan > 0) {
        const at = now - (now % LOAN.ms);
        if (row.lentAt < at) { row.lentAt = at; row.lent = 0; }
        lent = Math.min(loan, row.tokens, LOAN.quota - row.lent);
        row.tokens -= lent;
        row.lent += lent;
      }
      const expires = row.since + (BUCKET.max - row.tokens) * BUCKET.interval;
      this.sql.exec(`INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET tokens = excluded.tokens,
        since = excluded.since, lentAt = excluded.lentAt, lent = excluded.lent, expires = excluded.expires`,
        id, row.tokens, row.since, row.lentAt, row.lent, expires);
      this.arm();
    }
    const reset = row.tokens < BUCKET.max ? row.since + BUCKET.interval - now : 0;
    return { ok, tokens: row.tokens, reset, lent };
  }
  arm() {
    if (this.armed) return;
    this.armed = true;
    this.ctx.storage.setAlarm(Date.now() + 300_000);
  }
  // A batch of rows in the order of their ids, and a pause.
  alarm() {
    const now = Date.now();
    this.sql.exec("DELETE FROM keys WHERE expires <= ?", now);
    const { rows, due, last } = this.sql.exec(`SELECT count(*) AS rows, sum(expires <= ?1) AS due, max(id) AS last
      FROM (SELECT id, expires FROM meters WHERE id > ?2 ORDER BY id LIMIT 512)`, now, this.last).one();
    if (due > 0) this.sql.exec("DELETE FROM meters WHERE id > ? AND id <= ? AND expires <= ?", this.last, last, now);
    this.last = rows < 512 ? "" : last;
    this.ctx.storage.setAlarm(now + (rows < 512 ? 300_000 : 50));
  }
  // Any algorithm: a read of the key's row and, unless it is refused, a write.
  meter(rule, key, cost, now) {
    const limit = LIMITS[rule], id = rule + "/" + key;
    const row = this.sql.exec("SELECT a, b, c, list FROM meters WHERE id = ?", id).toArray()[0];
    const m = new METERS[limit.algorithm](limit, now, row);
    const allowed = cost <= m.room(), retry = allowed ? 0 : m.wait(cost);
    if (allowed && cost > 0) {
      m.take(cost);
      const [a = null, b = null, c = null, list = null] = m.state();
      this.sql.exec(`INSERT INTO meters VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
        a = excluded.a, b = excluded.b, c = excluded.c, list = excluded.list, expires = excluded.expires`,
        id, a, b, c, list, Math.max(now, m.full()));
      this.arm();
    }
    const remaining = m.room(), most = limit.burst ?? limit.quota;
    return { allowed, remaining, retry_in_ms: retry, reset_in_ms: remaining < most ? m.wait(remaining + 1) : 0 };
  }
  take({ descriptors, cost, loan = 0 }) {
    const { rule, key } = descriptors[0];
    const d = this.decide(rule + "/" + key, cost, loan, Date.now());
    return { allowed: d.ok, retry_in_ms: 0, loan: d.lent, loan_ms: LOAN.ms, limits: [{ rule, key, name: rule, quota: BUCKET.max,
      window_ms: BUCKET.max * BUCKET.interval, remaining: d.tokens, reset_in_ms: d.reset }] };
  }
  fetch(req) {
    const u = new URL(req.url);
    const cost = +(u.searchParams.get("cost") ?? 1);
    const [, kind, , rule] = u.pathname.split("/");
    if (kind === "decide") {
      const among = +(u.searchParams.get("among") ?? 0);
      const d = this.meter(rule, among > 0 ? "k" + Math.floor(Math.random() * among) : "k", cost,
        +(u.searchParams.get("now") ?? 0) || Date.now());
      return json(d, d.allowed ? 200 : 429);
    }
    if (kind === "fill") {
      this.meter("token_bucket", "k", 1, Date.now());
      const [from, to, expires] = ["from", "to", "expires"].map((name) => +u.searchParams.get(name));
      this.sql.exec(`WITH RECURSIVE c(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM c WHERE n + 1 < ?)
        INSERT OR IGNORE INTO meters SELECT 'token_bucket/k' || CAST(n AS INTEGER), a, b, m.c, list, ?
        FROM c, (SELECT a, b, c, list FROM meters WHERE id = 'token_bucket/k') AS m`, from, to, expires);
      return json({ filled: to - from });
    }
    if (kind === "purge") {
      this.ctx.storage.setAlarm(Date.now());
      return json({ purging: true });
    }
    const d = this.decide("default/" + u.pathname.slice(u.pathname.lastIndexOf("/") + 1), cost, 0, Date.now());
    const wait = Math.ceil(d.reset / 1000);
    const headers = { "content-type": "application/json",
      "ratelimit-policy": `"default";q=${BUCKET.max};w=${Math.ceil(BUCKET.max * BUCKET.interval / 1000)}`,
      ratelimit: `"default";r=${d.tokens};t=${wait}` };
    if (!d.ok) headers["retry-after"] = String(wait);
    return new Response(JSON.stringify({ ok: d.ok, remaining: d.tokens, limit: BUCKET.max, reset_in_ms: d.reset }) + "\n",
      { status: d.ok ? 200 : 429, headers });
  }
}

// What the front has borrowed.
const loans = new Map();

async function decide(req, env, name, units) {
  const n = +new URL(req.url).searchParams.get("n");
  const limiter = env.RATE.get(env.RATE.idFromName(name));
  const q = { descriptors: [{ rule: "hot", key: name }], cost: 1 };
  let passed = 0;
  for (let i = 0; i < n; i++) {
    const asked = Date.now();
    let loan = units > 0 ? loans.get(name) : undefined;
    if (loan && asked < loan.until && loan.left >= 1) {
      loan.left--;
      passed++;
      continue;
    }
    const d = await limiter.take(units > 0 ? { ...q, loan: units } : q);
    if (d.loan > 0) loans.set(name, { left: d.loan, until: asked + d.loan_ms });
    if (d.allowed) passed++;
  }
  return json({ passed });
}

export class Counter extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.ready = false;
    this.born = Date.now();
    this.calls = 0;
  }
  init() {
    this.sql.exec("CREATE TABLE IF NOT EXISTS c(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)");
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS log(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER, body TEXT)");
    this.ready = true;
  }
  bump(by) {
    this.calls += by;
    return this.calls;
  }
  async fetch(req) {
    const u = new URL(req.url);
    const kind = u.pathname.split("/")[1];
    this.calls++;
    if (kind === "touch") return json({ calls: this.calls }); // no storage at all
    if (kind === "relay") { // another object, ten times
      const far = this.env.COUNTER.getByName(u.pathname.slice("/relay/".length) + "-far");
      let calls;
      for (let k = 0; k < 10; k++) calls = await far.bump(1);
      return json({ calls });
    }
    if (kind === "kvcounter") { // sync KV API
      const n = (this.ctx.storage.kv.get("n") ?? 0) + 1;
      this.ctx.storage.kv.put("n", n);
      return json({ n });
    }
    if (kind === "akvcounter") { // classic async KV API
      const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
      this.ctx.storage.put("n", n);
      return json({ n });
    }
    if (!this.ready) this.init();
    if (kind === "insert") {
      const body = req.method === "POST" ? await req.text() : "";
      this.sql.exec("INSERT INTO log(at, body) VALUES (?, ?)", Date.now(), body || "hello");
      const rows = this.sql.exec("SELECT id, at, body FROM log ORDER BY id DESC LIMIT 10").toArray();
      return json({ rows });
    }
    if (req.method === "GET") {
      const r = this.sql.exec("SELECT n FROM c WHERE id = 1").toArray()[0];
      return json({ n: r?.n ?? 0 });
    }
    this.sql.exec("INSERT INTO c(id, n) VALUES (1, 1) ON CONFLICT(id) DO UPDATE SET n = n + 1");
    const { n } = this.sql.exec("SELECT n FROM c WHERE id = 1").one();
    return json({ n });
  }
}

// Hibernating WebSocket room: every text message goes to every member, the sender included.
export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS wakes(n INTEGER)");
    ctx.storage.sql.exec("INSERT INTO wakes(n) VALUES (1)"); // one row per construction
  }
  fetch(req) {
    const u = new URL(req.url);
    if (u.pathname.startsWith("/room/")) {
      return json({
        members: this.ctx.getWebSockets().length,
        constructions: this.ctx.storage.sql.exec("SELECT count(*) AS n FROM wakes").one().n,
      });
    }
    if (req.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("expected websocket", { status: 426 });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(ws, msg) {
    for (const s of this.ctx.getWebSockets()) {
      try { s.send(msg); } catch { /* gone */ }
    }
  }
  webSocketClose(ws, code) { try { ws.close(code === 1005 ? 1000 : code); } catch { } }
  webSocketError() { }
}

// The ready room as the original is: sessions in attachments with their token buckets, who is there, errors that leave the
// socket open. It keeps no log: what a connection misses is lost.
const CHAT = { max: 1_000_000_000, everyMs: 10_000, longest: 65_536 };

export class Chat extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('{"event":"ping"}', '{"event":"pong"}'));
    this.sessions = new Map();
    for (const ws of ctx.getWebSockets()) {
      const session = ws.deserializeAttachment();
      if (session?.ws_session_id) this.sessions.set(ws, session);
      else ws.close(1011, "Invalid session state");
    }
  }
  fetch(req) {
    if (req.headers.get("upgrade")?.toLowerCase() !== "websocket") return json({ status: 404, message: "Not found" }, 404);
    let given;
    try {
      given = JSON.parse(req.headers.get("x-ws-meta") ?? "{}");
    } catch {
      return json({ status: 400, message: "Invalid session metadata" }, 400);
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const session = { ws_session_id: crypto.randomUUID(), room: given.room, meta: given.meta, tokens: CHAT.max, at: Date.now() };
    server.serializeAttachment(session);
    this.sessions.set(server, session);
    const { ws_session_id, meta } = session, num_connections = this.sessions.size;
    const sessions = [...this.sessions.values()].map((s) => ({ ws_session_id: s.ws_session_id, meta: s.meta }));
    server.send(JSON.stringify({ event: "session:list", sessions, num_connections }));
    this.broadcast({ event: "session:connected", ws_session_id, meta, num_connections }, server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(ws, text) {
    const session = this.sessions.get(ws);
    if (!session) return;
    const refuse = (status, message) => ws.send(JSON.stringify({ event: "error", message, status }));
    const allowed = this.take(session);
    ws.serializeAttachment(session); // so that hibernation does not fill the bucket
    if (!allowed) return refuse(429, "Too many messages. Please slow down.");
    if (typeof text !== "string") return refuse(400, "Binary messages are not supported");
    if (text.length > CHAT.longest) return refuse(413, `Message too large (max ${CHAT.longest} bytes)`);
    let m;
    try {
      m = JSON.parse(text);
    } catch {
      return refuse(400, "Could not parse message");
    }
    if (typeof m?.event !== "string") return refuse(400, "Message missing event field");
    if (m.event === "chat") this.broadcast(m); // the application's onMessage
  }
  take(session) {
    const now = Date.now(), n = Math.floor((now - session.at) / CHAT.everyMs);
    if (n > 0) {
      session.tokens = Math.min(session.tokens + n, CHAT.max);
      session.at += n * CHAT.everyMs;
    }
    if (session.tokens <= 0) return false;
    session.tokens--;
    return true;
  }
  broadcast(m, except) {
    const text = JSON.stringify(m);
    for (const ws of this.sessions.keys()) {
      if (ws === except) continue;
      try { ws.send(text); } catch { this.leave(ws); }
    }
  }
  leave(ws) {
    const session = this.sessions.get(ws);
    if (!this.sessions.delete(ws)) return;
    const { ws_session_id, meta } = session;
    this.broadcast({ event: "session:disconnected", ws_session_id, meta, num_connections: this.sessions.size });
  }
  webSocketClose(ws, code) {
    try { ws.close(code === 1005 ? 1000 : code); } catch { }
    this.leave(ws);
  }
  webSocketError(ws) { this.leave(ws); }
}

export default {
  fetch(req, env) {
    const u = new URL(req.url);
    const [, kind, name] = u.pathname.split("/");
    switch (kind) {
      case "": return new Response("ok\n");
      case "limit": case "limitkv":
        return env.LIMITER.get(env.LIMITER.idFromName(name)).fetch(req);
      case "rate": case "decide": case "fill": case "purge":
        return env.RATE.get(env.RATE.idFromName(name)).fetch(req);
      case "exact": return decide(req, env, name, 0);
      case "leased": return decide(req, env, name, 1000);
      case "counter": case "kvcounter": case "akvcounter": case "insert": case "touch": case "relay":
        return env.COUNTER.get(env.COUNTER.idFromName(name)).fetch(req);
      case "ws": case "room":
        return env.ROOM.get(env.ROOM.idFromName(name)).fetch(req);
      case "chat": case "kept":
        return env.CHAT.get(env.CHAT.idFromName(kind + "/" + name)).fetch(req);
    }
    return new Response("not found\n", { status: 404 });
  },
};
