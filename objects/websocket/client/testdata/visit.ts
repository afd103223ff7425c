import { Refused, Room } from "../room";

// Two tabs visit a room; the first one's connection is cut while it speaks. The answer is what they saw.

type Chat = { chat: { text: string }; slow: object };

const until = async (what: () => boolean) => {
  for (let i = 0; i < 1000 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
};

export default {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url).searchParams.get("url") + "/api/websocket?room=fast-client&user=";
    const sockets: WebSocket[] = [];
    class Watched {
      constructor(url: string, protocol: string) {
        const socket = new WebSocket(url, protocol);
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
    const text = (e: unknown) => (e instanceof Refused ? `${e.status} ${e.message}` : String(e));
    return Response.json({
      heard,
      resumed,
      sameSession: id === a.id,
      refused: refused.status === "rejected" ? text(refused.reason) : "",
      peers,
      reconnected: statuses,
      closed: text(closed),
    });
  },
};
