// Visitors of Node.js, with the package ws, until standard input ends; then prints their connections, by name.
// usage: node visitors.mjs <ws's module> <pause> <url before the name> <name>...
import { readFileSync } from "node:fs";
const [, , module, pause, url, ...names] = process.argv;
const { default: WebSocket } = await import(module);
const source = readFileSync(new URL("visitor.js", import.meta.url), "utf8");
const visitor = new Function(`${source}; return visitor;`)();

const all = names.map((name) => visitor(WebSocket, url + name, name, Number(pause)));
process.stdin.resume().on("end", async () => {
  const ended = await Promise.all(all.map((v) => v.stop()));
  console.log(JSON.stringify(Object.fromEntries(names.map((name, i) => [name, ended[i]]))));
  process.exit();
});
