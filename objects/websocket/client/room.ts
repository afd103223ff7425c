// A client of a room: it stays connected, resumes where it was, and sends each message once. It needs nothing but
// WebSocket. The protocol is in the Go package objects/websocket; what is promised, in websocketserver.
//
//   const room = new Room<{ chat: { text: string } }>("/api/websocket?room=lobby");
//   room.on("chat", (m) => show(m.text));
//   await room.send("chat", { text: "hi" }); // resolves when it was handled
//
// Where no cookie says who this is, the backend mints join tokens: { token: () => fetch("/join").then((r) => r.text()) }.

/** A frame: an object with the name of what has happened. */
export type Frame = { event: string; [field: string]: unknown };

/** The application's events, and the fields of each. */
export type Events = Record<string, object>;

/** What the client says by itself, and what every room says. P is the state that tabs announce. */
export interface Own<P = unknown> {
  /** The connection has changed. */
  "room:status": { status: Status };
  /** Everybody's presence has changed, but one's own. */
  "room:peers": { peers: Peer<P>[] };
  /** There is a session: the one before, or a new one. */
  "session:open": { ws_session_id: string; resumed: boolean; seq: number };
  /** The messages from from to to may have been missed, and cannot be had any more. */
  "session:gap": { from: number; to: number };
  /** Who is there, at each connection; then who has come, and who has gone. */
  "session:list": { sessions: Session[]; num_connections: number };
  "session:connected": Session & { num_connections: number };
  "session:disconnected": Session & { num_connections: number };
  /** A user's first connection, and the last. */
  "user:joined": { user: string; meta?: unknown; num_users: number };
  "user:left": { user: string; meta?: unknown; num_users: number };
  /** How long the session lasts by its token, in milliseconds from now. */
  "token:expires": { in_ms: number };
  /** Something of what was sent without a number was refused: a signal, or, if of is "token:refresh", a token. */
  error: { message: string; status: number; of?: string };
}

/** disconnected is for good: after close(), or when the room has said so. */
export type Status = "connecting" | "connected" | "reconnecting" | "disconnected";

/** Somebody's connection. */
export interface Session {
  ws_session_id: string;
  meta?: unknown;
}

/** Somebody's tab. */
export interface Peer<P = unknown> {
  presence_id: string;
  user?: unknown;
  state?: P;
  clock: number;
}

export interface Options {
  /**
   * A join token, or what gets one from the backend: it is called for each connection, and before the session's token
   * expires, which goes on then. Where it fails it is called again, later. With a text alone the room is left when that has
   * expired.
   */
  token?: string | (() => string | Promise<string>);
  /** The first pause before connecting again, 1,000 ms. It doubles, up to most; half of it and a random part are waited. */
  first?: number;
  /** The longest pause, 30,000 ms. */
  most?: number;
  /** Milliseconds between pings, 30,000. If nothing has come back until the next, the connection is given up. */
  ping?: number;
  /** Milliseconds within which a connection must be there, 10,000. */
  patience?: number;
  /** Milliseconds between announcements, 50: of those in between the last one counts. */
  pace?: number;
  /** How many messages from before are wanted at first, 0 to 100. */
  rewind?: number;
  /** How many messages may wait to be acknowledged, 1,000. */
  waiting?: number;
  /** In place of the global one. */
  WebSocket?: new (url: string, protocols: string[]) => WebSocket;
}

/** Why a message was not handled, or that this is not known: status 0, when its session was lost or closed. */
export class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
    this.name = "Refused";
  }
}

interface Waiting {
  n: number;
  text: string; // without the number and the last brace
  sent: boolean; // in this session: it may have been handled
  written: boolean; // on this connection
  refused: boolean; // it only keeps its number until all answers are there
  failed: number;
  resolve(): void;
  reject(e: Refused): void;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

const protocol = "durago.room.v1";
const ping = '{"event":"ping"}';

/** Codes after which a room does not want a client back, and that of a token that has expired. */
const final = new Set([4001, 4003]);
const expired = 4002;

/** How often a message is sent at which the room's own code fails. */
const tries = 8;

const text = (event: string, fields: object) => JSON.stringify({ ...fields, event, n: undefined }).slice(0, -1);

export class Room<E extends Events = Record<string, Record<string, unknown>>, P = unknown> {
  /** The connection's state. */
  status: Status = "connecting";
  /** The id of this session, once there is one. */
  id = "";

  readonly #url: string;
  readonly #o: Required<Omit<Options, "token">> & Options;
  readonly #listeners = new Map<string, Set<(m: never) => void>>();
  #socket: WebSocket | undefined;
  #open = false;
  #heard = true; // since the last ping
  #attempts = 0;
  #since = Infinity; // when the session was opened
  #timer: Timer; // to connect, or to give up connecting
  #turn = 0; // which attempt to connect it is
  #renewal: Timer;
  #pings: Timer;

  // What comes.
  #token = "";
  #last = 0;
  #acknowledged = 0;

  // What goes. Each numbered frame on a connection has one answer. After a refusal nothing is written until all answers are
  // there, so that a number stands for one message at a time; then one is, and the next when that was handled.
  #waiting: Waiting[] = [];
  #n = 0;
  #unanswered = 0;
  #silent = 0; // pings since an answer
  #careful = false;
  #late = false; // what was refused may be sent again, later
  #pause = 0;
  #longest = Infinity; // as the room has said
  #again: Timer;

  // Presence.
  readonly #peers = new Map<string, Peer<P>>();
  #presence = "";
  #said: { user?: unknown; state: P } | undefined;
  #clock = 0;
  #pace: number;
  #announced: Timer;

  constructor(url: string, options: Options = {}) {
    this.#url = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
    const o = { first: 1000, most: 30_000, ping: 30_000, patience: 10_000, pace: 50, rewind: 0, waiting: 1000, WebSocket: globalThis.WebSocket };
    this.#o = Object.assign(o, options);
    this.#pace = o.pace;
    this.#connect();
    globalThis.window?.addEventListener("online", this.#online);
  }

  /** Calls f for each frame of an event; "*" is every frame. What it returns ends that. */
  on<K extends keyof E & string>(event: K, f: (m: E[K] & { event: K; seq?: number }) => void): () => void;
  on<K extends keyof Own>(event: K, f: (m: Own<P>[K] & { event: K }) => void): () => void;
  on(event: "*" | `${string}:${string}`, f: (m: Frame) => void): () => void;
  on(event: string, f: (m: never) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(f));
    return () => void set.delete(f);
  }

  /** Sends a message, now or when there is a connection. It is handled once and in order; a Refused says that it was not. */
  send<K extends keyof E & string>(event: K, fields: E[K]): Promise<void> {
    if (this.status === "disconnected") return Promise.reject(new Refused(0, "the room is closed"));
    if (this.#waiting.length >= this.#o.waiting) return Promise.reject(new Refused(429, "too many messages wait"));
    return new Promise((resolve, reject) => {
      const m: Waiting = { n: this.#n + 1, text: text(event, fields), sent: false, written: false, refused: false, failed: 0, resolve, reject };
      if (this.#long(m)) return reject(new Refused(413, `the message is too long (max ${this.#longest})`));
      this.#n++;
      this.#waiting.push(m);
      this.#write();
    });
  }

  /** Sends a message that is not worth keeping: it is lost if there is no connection. */
  signal<K extends keyof E & string>(event: K, fields: E[K]): void {
    if (this.#open) this.#put(text(event, fields) + "}");
  }

  /** Says where this tab is and who looks at it; it is said again after each connection. */
  announce(state: P, user?: unknown): void {
    this.#said = { state, user };
    this.#announce();
  }

  /** Leaves the room for good. */
  close(): void {
    const socket = this.#socket;
    this.#end();
    socket?.close(1000);
  }

  #connect(): void {
    const turn = ++this.#turn;
    if (typeof this.#o.token !== "function") return this.#dial(this.#o.token);
    const fail = () => turn === this.#turn && this.#lost(undefined, 1006);
    this.#timer = setTimeout(fail, this.#o.patience);
    this.#ask((token) => {
      if (turn !== this.#turn) return;
      clearTimeout(this.#timer);
      this.#dial(token);
    }).catch(fail);
  }

  /** Gets a token; why there is none is reported. */
  async #ask(f: (token: string) => void): Promise<void> {
    try {
      f(await (this.#o.token as () => string | Promise<string>)());
    } catch (e) {
      report(e);
      throw e;
    }
  }

  /** Has the session go on with another token, some time before this one expires; so not all tabs come at once. */
  #renew(after: number): void {
    clearTimeout(this.#renewal);
    if (typeof this.#o.token !== "function") return;
    this.#renewal = setTimeout(() => {
      const turn = this.#turn;
      this.#ask((token) => {
        if (turn === this.#turn) this.#put(text("token:refresh", { token }) + "}");
      }).catch(() => {});
      this.#renew(half(this.#o.most)); // unless there is an answer
    }, Math.min(2 ** 31 - 1, Math.max(this.#o.first, after)));
  }

  #dial(token?: string): void {
    const socket = (this.#socket = new this.#o.WebSocket(this.#url, token ? [protocol, "durago.token." + token] : [protocol]));
    this.#timer = setTimeout(() => this.#drop(socket), this.#o.patience);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#put(text("session:open", { token: this.#token, seq: this.#last, rewind: this.#token ? 0 : this.#o.rewind }) + "}");
    });
    socket.addEventListener("message", (e: MessageEvent) => {
      if (socket === this.#socket && typeof e.data === "string") this.#receive(JSON.parse(e.data) as Frame);
    });
    socket.addEventListener("close", (e: CloseEvent) => this.#lost(socket, e.code));
    socket.addEventListener("error", () => this.#lost(socket, 1006));
  }

  /** The network is there again: there is no need to wait, or to believe that the connection has lasted. */
  readonly #online = (): void => {
    if (this.#open) return this.#ping();
    if (this.#socket) return;
    clearTimeout(this.#timer);
    this.#connect();
  };

  #drop(socket: WebSocket): void {
    socket.close();
    this.#lost(socket, 1006);
  }

  #lost(socket: WebSocket | undefined, code: number): void {
    if (socket !== this.#socket) return;
    if (final.has(code) || (code === expired && typeof this.#o.token === "string")) return this.#end();
    this.#stop();
    if (Date.now() - this.#since >= this.#o.most) this.#attempts = 0; // not for one that is dropped at once, each time
    this.#since = Infinity;
    this.#timer = setTimeout(() => this.#connect(), half(Math.min(this.#o.most, this.#o.first * 2 ** this.#attempts++)));
    this.#become("reconnecting");
  }

  #stop(): void {
    for (const t of [this.#timer, this.#again, this.#announced, this.#renewal]) clearTimeout(t);
    this.#turn++;
    clearInterval(this.#pings);
    this.#again = this.#announced = this.#socket = undefined;
    this.#open = false;
  }

  #end(): void {
    if (this.status === "disconnected") return;
    this.#stop();
    globalThis.window?.removeEventListener("online", this.#online);
    this.#become("disconnected");
    for (const m of this.#waiting.splice(0)) m.reject(new Refused(0, "the room was closed"));
  }

  #receive(m: Frame): void {
    this.#heard = true;
    const seq = m.seq;
    if (m.event === "session:open") this.#opened(m);
    else if (m.event === "token:expires") this.#renew(half((m.in_ms as number) * 0.8));
    else if (m.event === "message:ack") this.#handled(m.n as number);
    else if (m.event === "error") {
      if (this.#refused(m)) return;
    } else if (m.event === "session:gap") this.#last = Math.max(this.#last, m.to as number);
    else if (m.event.startsWith("presence:")) this.#peer(m);
    else if (typeof seq === "number") {
      if (seq <= this.#last) return;
      this.#last = seq;
      if (seq - this.#acknowledged >= 64) this.#put(text("session:ack", { seq: (this.#acknowledged = seq) }) + "}");
    }
    if (m.event !== "pong") this.#emit(m);
  }

  #opened(m: Frame): void {
    clearTimeout(this.#timer);
    this.id = m.ws_session_id as string;
    this.#token = m.token as string;
    const handled = m.n as number;
    if (m.resumed) this.#acked(handled);
    else {
      // What was sent in a session that is lost may have been handled. What was not is sent in this one.
      for (const w of this.#waiting) if (w.sent) w.reject(new Refused(0, "the session was lost"));
      this.#waiting = this.#waiting.filter((w) => !w.sent);
      if (!this.#o.rewind || this.#last > 0) this.#last = m.seq as number;
      this.#presence = id(); // the one before may still be the lost session's
    }
    this.#acknowledged = this.#last;
    this.#open = true;
    this.#since = Date.now();
    this.#unanswered = this.#silent = 0;
    this.#careful = this.#late = false;
    this.#number(handled + 1);
    this.#peers.clear();
    this.#put(text("presence:request", { presence_id: this.#presence }) + "}");
    this.#pace = this.#o.pace;
    this.#announce();
    this.#pings = setInterval(() => this.#ping(), this.#o.ping);
    this.#become("connected");
  }

  #ping(): void {
    const socket = this.#socket;
    if (!socket) return;
    if (!this.#heard || (this.#unanswered > 0 && ++this.#silent > 2)) return this.#drop(socket);
    this.#heard = false;
    this.#put(ping);
  }

  #long(m: Waiting): boolean {
    return m.text.length + `,"n":${m.n}}`.length > this.#longest;
  }

  /** Writes what may be written now. */
  #write(): void {
    if (!this.#open || this.#again || (this.#careful && this.#unanswered > 0)) return;
    for (const w of this.#waiting) {
      if (w.written || w.refused) continue;
      w.sent = w.written = true;
      this.#unanswered++;
      this.#put(`${w.text},"n":${w.n}}`);
      if (this.#careful) return;
    }
  }

  #acked(n: number): void {
    while (this.#waiting[0] && this.#waiting[0].n <= n) this.#waiting.shift()!.resolve();
  }

  #handled(n: number): void {
    this.#acked(n);
    if (this.#careful) this.#pause /= 2;
    if (!this.#waiting.length) {
      this.#careful = false;
      this.#pause = 0;
    }
    this.#answered();
  }

  /** Takes an error about a numbered message; false for others. A message that is refused is undone, and its number free. */
  #refused(m: Frame): boolean {
    const status = m.status as number;
    let n = m.n;
    if (status === 413 && n === undefined) {
      // The room has not read a frame that is too long, but says how long one may be.
      this.#longest = Number(/\d+/.exec(String(m.message)) ?? Infinity);
      n = this.#waiting.find((w) => w.written && !w.refused && this.#long(w))?.n;
      for (const w of this.#waiting) {
        if (w.written || !this.#long(w)) continue;
        w.refused = true;
        w.reject(new Refused(status, String(m.message)));
      }
    } else if (status === 429 && n === undefined) this.#slow();
    if (typeof n !== "number") return false;
    const w = this.#waiting.find((w) => w.n === n);
    if (w) {
      w.failed += Number(status >= 500);
      if (status === 409 || status === 429 || (status >= 500 && w.failed < tries)) {
        this.#late ||= status !== 409 || !this.#waiting.some((w) => w.refused); // what follows one that is refused is out of turn
      } else {
        w.refused = true;
        w.reject(new Refused(status, String(m.message)));
      }
      this.#careful = true;
    }
    this.#answered();
    return true;
  }

  #answered(): void {
    this.#silent = 0;
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    if (this.#unanswered === 0 && this.#careful) {
      if (this.#waiting[0]) this.#number(this.#waiting[0].n, this.#late);
      this.#late = false;
    } else this.#write();
  }

  /** Numbers what waits anew, from n on, and writes it; late is after a pause, which grows while nothing is handled. */
  #number(n: number, late = false): void {
    this.#waiting = this.#waiting.filter((w) => !w.refused);
    for (const w of this.#waiting) {
      w.n = n++;
      w.written = false;
    }
    this.#n = n - 1;
    if (late) {
      this.#pause = Math.min(this.#o.most, Math.max(this.#o.first, 2 * this.#pause));
      this.#again = setTimeout(() => {
        this.#again = undefined;
        this.#write();
      }, half(this.#pause) * 2);
    } else this.#write();
  }

  #put(frame: string): void {
    if (this.#socket?.readyState === 1) this.#socket.send(frame);
  }

  #announce(): void {
    if (!this.#open || !this.#said || this.#announced) return;
    this.#put(text("presence:update", { presence_id: this.#presence, ...this.#said, clock: ++this.#clock, t: Date.now() }) + "}");
    const said = this.#said;
    this.#announced = setTimeout(() => {
      this.#announced = undefined;
      if (this.#said !== said) this.#announce();
    }, this.#pace);
  }

  /** The room has forgotten what was announced. */
  #repeat(): void {
    this.#said &&= { ...this.#said };
    this.#announce();
  }

  /** The room has refused an announcement, or a signal: who goes on at once is refused again. */
  #slow(): void {
    this.#pace = Math.min(this.#o.most, Math.max(this.#o.first, 2 * this.#pace));
    clearTimeout(this.#announced);
    this.#announced = setTimeout(() => {
      this.#announced = undefined;
      this.#repeat();
    }, this.#pace);
  }

  #peer(m: Frame): void {
    const id = m.presence_id as string;
    if (m.event === "presence:snapshot") for (const p of m.peers as Peer<P>[]) this.#peers.set(p.presence_id, p);
    else if (m.event === "presence:again") return this.#repeat();
    else if (m.event === "presence:remove") this.#peers.delete(id);
    else if (m.event !== "presence:update") return;
    else if (id === this.#presence) return void (this.#pace = Math.max(this.#o.pace, this.#pace * 0.9));
    else if ((this.#peers.get(id)?.clock ?? 0) <= (m.clock as number)) this.#peers.set(id, m as unknown as Peer<P>);
    this.#emit({ event: "room:peers", peers: [...this.#peers.values()] });
  }

  #become(status: Status): void {
    this.status = status;
    this.#emit({ event: "room:status", status });
  }

  /** Calls all that listen; what one of them throws is reported, and is nobody else's matter. */
  #emit(m: Frame): void {
    for (const f of [...(this.#listeners.get(m.event) ?? []), ...(this.#listeners.get("*") ?? [])]) {
      try {
        f(m as never);
      } catch (e) {
        report(e);
      }
    }
  }
}

const report = (e: unknown) => (globalThis.reportError ?? console.error)(e);

/** Half of a time, and a random part of the other half: so that not all come at once. */
const half = (ms: number) => ms / 2 + (Math.random() * ms) / 2;

const id = () => Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2);
