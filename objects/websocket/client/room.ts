// A client of a room: it stays connected, resumes where it was, and sends each message once. It needs nothing but
// WebSocket. The protocol is in the Go package objects/websocket; what is promised, in websocketserver.
//
//   const room = new Room<{ chat: { text: string } }>("/api/websocket?room=lobby");
//   room.on("chat", (m) => show(m.text));
//   await room.send("chat", { text: "hi" }); // resolves when it was handled

/** A frame: an object with the name of what has happened. */
export type Frame = { event: string; [field: string]: unknown };

/** The application's events, and the fields of each. */
export type Events = Record<string, object>;

/** What the client says by itself. */
export interface Own {
  /** The connection has changed. */
  "room:status": { status: Status };
  /** The messages from from to to may have been missed, and cannot be had any more. */
  "session:gap": { from: number; to: number };
  /** Everybody's presence has changed. */
  "room:peers": { peers: Peer[] };
}

/** disconnected is for good: after close(), or when the room has said so. */
export type Status = "connecting" | "connected" | "reconnecting" | "disconnected";

/** Somebody's tab. */
export interface Peer {
  presence_id: string;
  user?: unknown;
  state?: unknown;
  clock: number;
}

export interface Options {
  /** The first pause before connecting again, 1,000 ms. It doubles, up to most; a random part of it is waited. */
  first?: number;
  /** The longest pause, 30,000 ms. */
  most?: number;
  /** Milliseconds between pings, 30,000. If nothing has come back until the next, the connection is given up. */
  ping?: number;
  /** How many messages from before are wanted at first, 0 to 100. */
  rewind?: number;
  /** How many messages may wait to be acknowledged, 1,000. */
  waiting?: number;
  /** In place of the global one. */
  WebSocket?: new (url: string, protocol: string) => WebSocket;
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
  event: string;
  fields: object;
  sent: boolean;
  resolve(): void;
  reject(e: Refused): void;
}

const protocol = "durago.room.v1";
const ping = '{"event":"ping"}';

/** Codes after which a room does not want a client back. */
const final = new Set([4001, 4003]);

export class Room<E extends Events = Record<string, Record<string, unknown>>> {
  /** The connection's state. */
  status: Status = "connecting";
  /** The id of this session, once there is one. */
  id = "";

  readonly #url: string;
  readonly #o: Required<Options>;
  readonly #listeners = new Map<string, Set<(m: never) => void>>();
  #socket: WebSocket | undefined;
  #token = "";
  #last = 0;
  #acknowledged = 0;
  #n = 0;
  #waiting: Waiting[] = [];
  #open = false;
  #heard = true;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  readonly #peers = new Map<string, Peer>();
  readonly #presence = Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2);
  #said: { user?: unknown; state: unknown } | undefined;
  #clock = 0;

  constructor(url: string, options: Options = {}) {
    this.#url = url.replace(/^http/, "ws");
    this.#o = { first: 1000, most: 30_000, ping: 30_000, rewind: 0, waiting: 1000, WebSocket: globalThis.WebSocket, ...options };
    this.#connect();
  }

  /** Calls f for each frame of an event; "*" is every frame. What it returns ends that. */
  on<K extends keyof E & string>(event: K, f: (m: E[K] & { event: K; seq?: number }) => void): () => void;
  on<K extends keyof Own>(event: K, f: (m: Own[K] & { event: K }) => void): () => void;
  on(event: "*" | `${string}:${string}`, f: (m: Frame) => void): () => void;
  on(event: string, f: (m: never) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(f));
    return () => set.delete(f);
  }

  /** Sends a message, now or when there is a connection. It is handled once and in order; a Refused says that it was not. */
  send<K extends keyof E & string>(event: K, fields: E[K]): Promise<void> {
    if (this.status === "disconnected") return Promise.reject(new Refused(0, "the room is closed"));
    if (this.#waiting.length >= this.#o.waiting) return Promise.reject(new Refused(429, "too many messages wait"));
    return new Promise((resolve, reject) => {
      const m: Waiting = { n: ++this.#n, event, fields, sent: false, resolve, reject };
      this.#waiting.push(m);
      if (this.#open) this.#write(m);
    });
  }

  /** Sends a message that is not worth keeping: it is lost if there is no connection. */
  signal<K extends keyof E & string>(event: K, fields: E[K]): void {
    if (this.#open) this.#put({ ...fields, event });
  }

  /** Says where this tab is and who looks at it; it is said again after each connection. */
  announce(state: unknown, user?: unknown): void {
    this.#said = { state, user };
    if (this.#open) this.#announce();
  }

  /** Leaves the room for good. */
  close(): void {
    this.#end();
    this.#socket?.close(1000);
  }

  #connect(): void {
    const socket = new this.#o.WebSocket(this.#url, protocol);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#put({ event: "session:open", token: this.#token, seq: this.#last, rewind: this.#token ? 0 : this.#o.rewind });
    });
    socket.addEventListener("message", (e: MessageEvent) => {
      if (socket === this.#socket && typeof e.data === "string") this.#receive(JSON.parse(e.data) as Frame);
    });
    socket.addEventListener("close", (e: CloseEvent) => this.#lost(socket, e.code));
    socket.addEventListener("error", () => this.#lost(socket, 1006));
  }

  #lost(socket: WebSocket, code: number): void {
    if (socket !== this.#socket || this.status === "disconnected") return;
    this.#socket = undefined;
    this.#open = false;
    clearInterval(this.#pings);
    if (final.has(code)) return this.#end();
    this.#become("reconnecting");
    const pause = Math.min(this.#o.most, this.#o.first * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#connect(), pause / 2 + (Math.random() * pause) / 2);
  }

  #end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    clearInterval(this.#pings);
    this.#open = false;
    this.#become("disconnected");
    for (const m of this.#waiting.splice(0)) m.reject(new Refused(0, "the room was closed"));
  }

  #receive(m: Frame): void {
    this.#heard = true;
    const seq = m.seq;
    if (m.event === "session:open") this.#opened(m);
    else if (m.event === "message:ack") this.#acked(m.n as number);
    else if (m.event === "error" && typeof m.n === "number") return this.#refused(m.n, m.status as number, String(m.message));
    else if (m.event === "session:gap") this.#last = Math.max(this.#last, m.to as number);
    else if (m.event.startsWith("presence:")) this.#peer(m);
    else if (typeof seq === "number") {
      if (seq <= this.#last) return;
      this.#last = seq;
      if (seq - this.#acknowledged >= 64) this.#put({ event: "session:ack", seq: (this.#acknowledged = seq) });
    }
    if (m.event !== "pong") this.#emit(m);
  }

  #opened(m: Frame): void {
    this.id = m.ws_session_id as string;
    this.#token = m.token as string;
    if (m.resumed) this.#acked(m.n as number);
    else {
      // What was sent in a session that is lost may have been handled. What was not is sent in this one.
      for (const w of this.#waiting.filter((w) => w.sent)) w.reject(new Refused(0, "the session was lost"));
      this.#waiting = this.#waiting.filter((w) => !w.sent);
      this.#number(1);
      if (!this.#o.rewind || this.#last > 0) this.#last = m.seq as number;
    }
    this.#acknowledged = this.#last;
    this.#open = true;
    this.#attempts = 0;
    for (const w of this.#waiting) this.#write(w);
    this.#peers.clear();
    this.#put({ event: "presence:request", presence_id: this.#presence });
    if (this.#said) this.#announce();
    this.#pings = setInterval(() => this.#ping(), this.#o.ping);
    this.#become("connected");
  }

  #ping(): void {
    const socket = this.#socket;
    if (!socket) return;
    if (!this.#heard) {
      socket.close();
      return this.#lost(socket, 1006);
    }
    this.#heard = false;
    socket.send(ping);
  }

  #acked(n: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.n <= n) this.#waiting.shift()!.resolve();
  }

  /** A refused message was undone with its number, which is the next one's. */
  #refused(n: number, status: number, message: string): void {
    const i = this.#waiting.findIndex((w) => w.n === n);
    if (i < 0) return;
    if (status === 409 || status === 429 || status >= 500) {
      this.#again ??= setTimeout(() => this.#repeat(), this.#o.first);
      return;
    }
    const [m] = this.#waiting.splice(i, 1);
    this.#number(this.#waiting[0] ? Math.min(n, this.#waiting[0].n) : n);
    m!.reject(new Refused(status, message));
    this.#repeat();
  }

  #repeat(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    if (this.#open) for (const w of this.#waiting) this.#write(w);
  }

  #number(n: number): void {
    for (const w of this.#waiting) w.n = n++;
    this.#n = n - 1;
  }

  #write(m: Waiting): void {
    m.sent = true;
    this.#put({ ...m.fields, event: m.event, n: m.n });
  }

  #put(frame: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #announce(): void {
    this.#put({ event: "presence:update", presence_id: this.#presence, ...this.#said, clock: ++this.#clock, t: Date.now() });
  }

  #peer(m: Frame): void {
    const id = m.presence_id as string;
    if (m.event === "presence:snapshot") for (const p of m.peers as Peer[]) this.#peers.set(p.presence_id, p);
    else if (m.event === "presence:remove") this.#peers.delete(id);
    else if (m.event !== "presence:update" || id === this.#presence) return;
    else if ((this.#peers.get(id)?.clock ?? 0) <= (m.clock as number)) this.#peers.set(id, m as unknown as Peer);
    this.#emit({ event: "room:peers", peers: [...this.#peers.values()] });
  }

  #become(status: Status): void {
    this.status = status;
    this.#emit({ event: "room:status", status });
  }

  #emit(m: Frame): void {
    for (const f of this.#listeners.get(m.event) ?? []) f(m as never);
    for (const f of this.#listeners.get("*") ?? []) f(m as never);
  }
}
