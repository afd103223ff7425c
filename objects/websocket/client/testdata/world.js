// A room and a network for the client, on a clock of their own: random, but the same for each seed. The room keeps the rules
// of package websocketserver; the network is slow, and connections break with frames under way.

let now = 0, ids = 0, timers = [];
const after = (ms, f, every) => (timers.push({ id: ++ids, at: now + ms, f, every }), ids);
globalThis.setTimeout = (f, ms) => after(ms ?? 0, f);
globalThis.setInterval = (f, ms) => after(ms, f, ms);
globalThis.clearTimeout = globalThis.clearInterval = (id) => void (timers = timers.filter((t) => t.id !== id));
Date.now = () => now;
globalThis.URL = class { constructor(href) { this.href = href; } };
let steps = 0;
const run = (until) => {
  for (;;) {
    if (++steps > 50_000) throw new Error(`at ${now} ms there is no end to it`);
    const next = timers.reduce((a, b) => (!a || b.at < a.at || (b.at === a.at && b.id < a.id) ? b : a), undefined);
    if (!next || next.at > until) return void (now = until);
    now = next.at;
    if (next.every) next.at += next.every;
    else clearTimeout(next.id);
    next.f();
  }
};

let state = 0;
const random = () => { // mulberry32
  let t = (state += 0x6d2b79f5);
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
Math.random = random;
const below = (n) => Math.floor(random() * n);

class Socket {
  readyState = 0;
  #listeners = {};
  #up = 0; // when the last frame that was sent arrives, and the last that was received
  #down = 0;
  constructor(url, protocols) {
    Socket.last = this;
    const token = protocols.find((p) => p.startsWith("durago.token."))?.slice("durago.token.".length);
    after(below(50), () => {
      if (this.readyState !== 0) return;
      if (room.down || !room.welcomes(this, token)) return this.end(1006);
      this.readyState = 1;
      this.tokens = room.most;
      this.at = now;
      this.#emit("open", {});
    });
  }
  addEventListener(type, f) { (this.#listeners[type] ??= []).push(f); }
  #emit(type, e) { for (const f of this.#listeners[type] ?? []) f(e); }
  send(text) {
    this.#up = Math.max(this.#up, now + below(100));
    after(this.#up - now, () => this.cut || room.receive(this, text));
  }
  answer(m) {
    this.#down = Math.max(this.#down, now + below(100));
    after(this.#down - now, () => this.readyState === 1 && this.#emit("message", { data: JSON.stringify(m) }));
  }
  end(code) { // the client notices
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#emit("close", { code });
  }
  close() { after(0, () => this.end(1006)); }
  break() { // the room notices at once, the client later; what is under way to the client may still arrive
    this.cut = true;
    after(below(200), () => this.end(1006));
  }
}

const room = {
  most: 5, every: 2000, longest: 150, down: false,
  sessions: {}, handled: [], asked: {}, lost: 0, state: undefined,

  // A token is the time when it expires; it counts half a minute longer. Without lasting, rooms take none.
  lasting: 0, tokens: { connected: 0, refused: 0, refreshed: 0, expired: 0 },
  welcomes(socket, token) {
    if (!this.lasting) return token === undefined;
    const sound = Number(token) + 30_000 > now;
    this.tokens[sound ? "connected" : "refused"]++;
    if (sound) this.until(socket, Number(token));
    return sound;
  },
  until(socket, expires) {
    clearTimeout(socket.expiry);
    socket.expires = expires;
    socket.expiry = setTimeout(() => {
      if (socket.readyState !== 1 || socket.cut) return;
      this.tokens.expired++;
      socket.cut = true;
      socket.end(4002);
    }, expires + 30_000 - now);
  },
  receive(socket, text) {
    const m = JSON.parse(text), session = socket.session;
    if (m.event === "ping") return socket.answer({ event: "pong" });
    const n = text.length > this.longest ? undefined : m.n;
    const fail = (status, message) => socket.answer({ event: "error", status, message, n });
    const passed = Math.floor((now - socket.at) / this.every);
    if (passed > 0) [socket.tokens, socket.at] = [Math.min(this.most, socket.tokens + passed), socket.at + passed * this.every];
    if (socket.tokens === 0) {
      socket.at = now; // who does not slow down gets nothing
      return fail(429, "Too many messages. Please slow down.");
    }
    socket.tokens--;
    if (text.length > this.longest) return fail(413, `Message too large (max ${this.longest} bytes)`);
    if (m.event === "token:refresh") {
      if (!(Number(m.token) + 30_000 > now)) return socket.answer({ event: "error", status: 401, message: "No", of: m.event });
      this.tokens.refreshed++;
      this.until(socket, Number(m.token));
      return socket.answer({ event: "token:expires", in_ms: Math.max(0, socket.expires - now) });
    }
    if (m.event === "session:open") {
      const resumed = m.token in this.sessions;
      const token = resumed ? m.token : `token${++ids}`;
      const s = (socket.session = this.sessions[token] ??= { handled: 0 });
      s.socket = socket;
      socket.answer({ event: "session:open", ws_session_id: token, token, resumed, n: s.handled, seq: 0 });
      if (socket.expires) socket.answer({ event: "token:expires", in_ms: Math.max(0, socket.expires - now) });
      return;
    }
    if (session?.socket !== socket) return n && fail(409, "gone");
    if (m.event === "presence:update") {
      this.state = m.state;
      return socket.answer(m);
    }
    if (n === undefined) return;
    if (n <= session.handled) return socket.answer({ event: "message:ack", n, again: true });
    if (n > session.handled + 1) return fail(409, `Send message ${session.handled + 1} first`);
    const before = (this.asked[m.id] = (this.asked[m.id] ?? 0) + 1);
    if (m.kind === "bad" && before === 1) return fail(422, "No"); // it would be taken another time
    if (m.kind === "poison" || (m.kind === "flaky" && random() < 0.5)) return fail(500, "The message could not be handled");
    session.handled = n;
    this.handled.push(m.id);
    socket.answer({ event: "message:ack", n });
  },
};

// A visit of half a minute, in which much happens. seed decides what; breaks is whether connections do. settled is to be asked
// until it is true: another minute passes each time.
function visit(seed, breaks) {
  state = seed;
  const r = new Room("ws://room", { WebSocket: Socket, first: 500, most: 4000 }), sent = [];
  r.on("room:status", () => { throw new Error("a listener that fails is nobody else's matter"); });
  const kinds = ["fine", "fine", "fine", "bad", "flaky", "poison", "long"];
  for (let at = 0; at < 30_000; at += below(4000)) {
    run(at);
    const what = below(breaks ? 10 : 7);
    if (what < 5) {
      for (let i = below(8); i >= 0; i--) {
        const m = { id: sent.length, kind: kinds[below(kinds.length)], result: "none" };
        sent.push(m);
        r.send("say", { id: m.id, kind: m.kind, pad: "x".repeat(m.kind === "long" ? 200 : 1) })
          .then(() => (m.result = "handled"), (e) => (m.result = `refused ${e.status}`));
      }
    } else if (what < 7) r.announce(at);
    else if (what < 9) Socket.last.break();
    else if (below(3) > 0) {
      room.down = true;
      Socket.last.break();
      run((at += below(5000)));
      room.down = false;
    } else {
      room.sessions = {};
      room.lost++;
      Socket.last.break();
    }
  }
  r.announce("last");
  globalThis.settled = () => (run(now + 60_000), sent.every((m) => m.result !== "none") && room.state === "last");
  globalThis.end = () => JSON.stringify({ sent, handled: room.handled, lost: room.lost, state: room.state, status: r.status, timers: (r.close(), run(now + 120_000), timers.length) });
}

// An hour in a room with tokens that last two minutes. fails is how often, of ten times, the backend is not there: it fails,
// or does not answer, or gives an old one. static is one token for the whole time. Connections break now and then. tick is a second of it.
function tokened(seed, fails, fixed) {
  state = seed;
  room.lasting = 120_000;
  room.most = 1000;
  const mint = () => String(now + room.lasting);
  let asked = 0, reported = 0;
  globalThis.reportError = () => reported++;
  const get = () => {
    asked++;
    if (below(10) >= fails) return below(2) ? mint() : new Promise((done) => setTimeout(() => done(mint()), below(3000)));
    switch (below(4)) {
      case 0: throw new Error("no backend");
      case 1: return Promise.reject(new Error("no backend"));
      case 2: return new Promise(() => {});
      default: return String(now - 60_000);
    }
  };
  const r = new Room("ws://room", { WebSocket: Socket, first: 500, most: 4000, token: fixed ? mint() : get });
  let next = 0, connected = 0;
  globalThis.tick = () => {
    run(now + 1000);
    if (asked > 1000) throw new Error("it asks without end");
    connected += Number(r.status === "connected");
    if (now < next) return;
    if (next > 0) Socket.last.break();
    next = now + below(1_000_000);
  };
  globalThis.ended = () => JSON.stringify({ ...room.tokens, asked, reported, up: connected, status: r.status, timers: (r.close(), room.until = () => {}, run(now + 300_000), timers.length) });
}
