// The page of a room: who is here, where their cursors are, and what they say. It goes on without a connection, and loses
// nothing. Texts of others only ever become text: textContent, never HTML.
import { type Peer, type Status, Refused, Room } from "../../../../objects/websocket/client/room";

type Chat = { name: string; text: string };
type Place = { x: number; y: number } | null; // on the board, from 0 to 1

const get = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;

/** An element with a text, in a colour of its own for each name. */
function make(tag: string, text: string, name?: string): HTMLElement {
  const e = document.createElement(tag);
  e.textContent = text;
  if (name !== undefined) {
    let hue = 0;
    for (const c of name) hue = (hue * 31 + c.codePointAt(0)!) % 360;
    e.style.setProperty("--hue", String(hue));
  }
  return e;
}

const nameOf = (p: Peer<Place>) => String((p.user as { name?: unknown } | undefined)?.name ?? "Somebody");

const room = decodeURIComponent(location.pathname.split("/").pop()!);
document.title = `${room} · room`;
document.querySelector("h1")!.textContent = room;

const me = new URLSearchParams(location.search).get("name")?.trim().slice(0, 40);
if (me) enter(me);
else {
  get("status").remove();
  get("door").hidden = false;
  get("name").focus();
}

function enter(me: string): void {
  get("room").hidden = false;
  const query = new URLSearchParams({ room, name: me });
  const r = new Room<{ chat: Chat }, Place>(`/api/websocket?${query}`, { rewind: 50, most: 5000 });
  connection(r);
  people(r, me);
  board(r, me);
  messages(r, me);
}

function connection(r: Room<{ chat: Chat }, Place>): void {
  const texts: Record<Status, string> = {
    connecting: "Connecting…",
    connected: "Connected",
    reconnecting: "Offline. What you write is sent when the connection is back.",
    disconnected: "You have left the room. Reload the page to come back.",
  };
  r.on("room:status", ({ status }) => {
    get("status").dataset.is = status;
    get("status").textContent = texts[status];
  });
}

function people(r: Room<{ chat: Chat }, Place>, me: string): void {
  let shown: string | undefined;
  const show = (names: string[]) => {
    if (shown === (shown = names.sort().join("\n"))) return; // it was a cursor that moved
    get("people").replaceChildren(make("li", `${me} (you)`, me), ...names.map((n) => make("li", n, n)));
  };
  show([]);
  r.on("room:peers", ({ peers }) => show(peers.map(nameOf)));
}

function board(r: Room<{ chat: Chat }, Place>, me: string): void {
  const at = get("board");
  const cursors = new Map<string, HTMLElement>();
  const put = (id: string, name: string, place: Place | undefined) => {
    const e = cursors.get(id) ?? make("b", name, name);
    if (!cursors.has(id)) at.append(e);
    cursors.set(id, e);
    e.hidden = !place;
    if (place) {
      e.style.left = `${place.x * 100}%`;
      e.style.top = `${place.y * 100}%`;
    }
  };
  r.on("room:peers", ({ peers }) => {
    for (const [id, e] of cursors) if (id !== "me" && !peers.some((p) => p.presence_id === id) && cursors.delete(id)) e.remove();
    for (const p of peers) put(p.presence_id, nameOf(p), p.state);
  });

  const within = (n: number) => Math.min(1, Math.max(0, n));
  let mine = { x: 0.5, y: 0.5 };
  const move = (place: Place) => r.announce(place, { name: me });
  move(null);
  at.addEventListener("pointermove", (e) => {
    const box = at.getBoundingClientRect();
    mine = { x: within((e.clientX - box.left) / box.width), y: within((e.clientY - box.top) / box.height) };
    put("me", me, null); // the pointer shows where it is
    move(mine);
  });
  at.addEventListener("pointerleave", () => move(null));
  at.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!by) return;
    e.preventDefault();
    mine = { x: within(mine.x + by[0]! / 40), y: within(mine.y + by[1]! / 40) };
    put("me", me, mine);
    move(mine);
  });
  at.addEventListener("blur", () => {
    put("me", me, null);
    move(null);
  });
}

function messages(r: Room<{ chat: Chat }, Place>, me: string): void {
  const line = (tag: string, m: Chat) => {
    const e = document.createElement(tag);
    e.append(make("b", m.name, m.name), " ", m.text);
    return e;
  };
  const add = (e: HTMLElement) => {
    const log = get("log");
    const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(e);
    if (log.children.length > 500) log.firstElementChild!.remove();
    if (follows) log.scrollTop = log.scrollHeight;
  };
  r.on("chat", (m) => add(line("p", { name: String(m.name ?? "Somebody"), text: String(m.text) })));
  r.on("session:gap", () => add(make("p", "Some messages from while you were away are no longer there.")));

  const text = get<HTMLInputElement>("text");
  get("write").addEventListener("submit", async (e) => {
    e.preventDefault();
    const m = { name: me, text: text.value.trim() };
    text.value = "";
    if (!m.text) return;
    const li = line("li", m);
    get("pending").append(li);
    try {
      await r.send("chat", m);
    } catch (e) {
      add(make("p", `Not sent: ${m.text} (${(e as Refused).message})`));
    }
    li.remove();
  });
}
