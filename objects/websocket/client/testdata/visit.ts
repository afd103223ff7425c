import { Refused, Room } from "../room";

// Two tabs visit a room; the first one's connection is cut while it speaks. Then one comes in with a token that lasts for a
// second, and stays. The answer is what they saw.

type Chat = { chat: { text: string }; slow: object };

const until = async (what: () => boolean) => {
  for (let i = 0; i < 1000 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
};

/** A join token, made by something else than Go. */
const mint = async (room: string) => {
  const bytes = (s: string) => new TextEncoder().encode(s);
  const url = (b: Uint8Array) => btoa(String.fromCharCode(...b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const payload = { room, meta: { user_id: "cleo" }, cap: { publish: ["chat"], subscribe: ["chat"] }, exp: Date.now() / 1000 + 1 };
  const text = [{ alg: "HS256", typ: "join+jwt" }, payload].map((part) => url(bytes(JSON.stringify(part)))).join(".");
  const key = await crypto.subtle.importKey("raw", bytes("the secret of the tests of rooms"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return text + "." + url(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(text))));
};

export default {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url).searchParams.get("url") + "/api/websocket?room=fast-client&user=";
    const sockets: WebSocket[] = [];
    class Watched {
      constructor(url: string, protocols: string[]) {
        const socket = new WebSocket(url, protocols);
        sockets.push(socket);
        return socket as unknown as Watched;
      }
    }
    const a = new Room<Chat>(url + "ann", { first: 50, WebSocket: Watched as unknown as typeof WebSocket });
    const heard: string[] = [];
    const statuses: string[] = [];
    let resumed = false;
    a.on("chat", (m) => heard.push(m.text));
    a.on("room:status", (m) => statuses.push(m.status));
    a.on("session:open", (m) => (resumed = m.resumed === true));
    await until(() => a.status === "connected");
    const id = a.id;
    await a.send("chat", { text: "one" });

    const b = new Room<Chat>(url + "bob", { first: 50 });
    await until(() => b.status === "connected");
    sockets[0]!.close(3001);
    const two = a.send("chat", { text: "two" });
    await b.send("chat", { text: "three" }).then(() => {});
    await two;
    await until(() => heard.length >= 3);
    heard.splice(1, 2, ...heard.slice(1, 3).sort().reverse()); // which of the two came first is not said
    const [refused] = await Promise.allSettled([a.send("slow", {}), a.send("chat", { text: "four" })]);
    await until(() => heard.length >= 4);

    const peers: number[] = [];
    b.announce({ x: 1 }, { name: "Bob" });
    let there = 0;
    a.on("room:peers", (m) => (there = m.peers.length));
    await until(() => there === 1);
    peers.push(there);
    b.close();
    await until(() => there === 0);
    peers.push(there);
    a.close();
    const closed: unknown = await a.send("chat", { text: "five" }).catch((e: unknown) => e);

    let minted = 0;
    let refreshed = 0;
    const c = new Room<Chat>(url.replace("&user=", ""), { first: 50, token: () => (minted++, mint("fast-client")) });
    c.on("token:expires", () => refreshed++);
    await until(() => refreshed >= 3);
    await c.send("chat", { text: "six" });
    const [forbidden] = await Promise.allSettled([c.send("slow", {})]);
    const tokens = { minted: minted >= 3, status: c.status };
    c.close();
    const text = (e: unknown) => (e instanceof Refused ? `${e.status} ${e.message}` : String(e));
    return Response.json({
      heard,
      resumed,
      sameSession: id === a.id,
      refused: refused.status === "rejected" ? text(refused.reason) : "",
      peers,
      reconnected: statuses,
      closed: text(closed),
      tokens,
      forbidden: forbidden.status === "rejected" ? text(forbidden.reason) : "",
    });
  },
};
