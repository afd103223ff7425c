import { createInterface } from "node:readline";
import { Room } from "../../../../objects/websocket/client/room.ts";

// Two clients in one room, each through a machine of its own: they speak, wait until the room's machine is gone, and speak
// again. The last line is what they saw.

type Chat = { chat: { text: string }; count: object };

const until = async (what: () => boolean) => {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
};

const clients = process.argv.slice(2).map((machine, i) => {
  const room = new Room<Chat>(`${machine}/api/websocket?room=fast-cluster&user=user${i}`, { first: 100, most: 1000 });
  const seen = { heard: [] as string[], resumed: [] as boolean[], gaps: 0 };
  room.on("chat", (m) => seen.heard.push(m.text));
  room.on("session:open", (m) => seen.resumed.push(m.resumed === true));
  room.on("session:gap", () => seen.gaps++);
  return { room, seen };
});
for (const c of clients) await until(() => c.room.status === "connected");
const ids = clients.map((c) => c.room.id);
await clients[0]!.room.send("chat", { text: "before" });
for (const c of clients) await until(() => c.seen.heard.length === 1);
console.log("ready");

const lines = createInterface({ input: process.stdin });
await new Promise((resolve) => lines.once("line", resolve));
lines.close();
await Promise.all(clients.map((c, i) => c.room.send("chat", { text: `after ${i}` })));
for (const c of clients) await until(() => c.seen.heard.length === 3);

let handled: unknown;
clients[0]!.room.on("count" as never, (m: { n?: number }) => (handled = m.n));
await clients[0]!.room.send("count", {});
await until(() => handled !== undefined);
console.log(JSON.stringify({
  heard: clients.map((c) => [c.seen.heard[0], ...c.seen.heard.slice(1).sort()]),
  order: clients[0]!.seen.heard.join() === clients[1]!.seen.heard.join(),
  resumed: clients.map((c) => c.seen.resumed.at(-1)),
  gaps: clients.map((c) => c.seen.gaps),
  same: clients.every((c, i) => c.room.id === ids[i]),
  handled,
}));
for (const c of clients) c.room.close();
