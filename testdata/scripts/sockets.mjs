// Talks to a socket as a program of Node.js does, with the package ws, and prints what it saw.
// usage: node sockets.mjs <ws's module> <url>
const [, , module, url] = process.argv;
const { default: WebSocket } = await import(module);

// talk opens a connection, says something, and gives what came until it was closed.
function talk(options, say) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, options);
    const seen = [];
    let answers = 0;
    ws.on("open", () => seen.push(ws.extensions.split(";")[0] || "as it is"));
    ws.on("open", () => say(ws, 0));
    ws.on("message", (data, binary) => {
      seen.push(binary ? `${data.length} bytes` : data.length > 80 ? `${data.length} characters` : data.toString());
      say(ws, ++answers);
    });
    ws.on("pong", (data) => {
      seen.push(`pong ${data}`);
      say(ws, ++answers);
    });
    ws.on("close", (code, reason) => resolve([...seen, `closed: ${code} ${reason}`].join("; ")));
    ws.on("error", reject);
  });
}

const deflating = { perMessageDeflate: { threshold: 0 } };
const plain = { perMessageDeflate: false };
const small = { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 9 } };

for (const options of [deflating, plain, small]) {
  const steps = [
    (ws) => ws.send("hi"),
    (ws) => ws.send("x".repeat(100_000)),
    (ws) => ws.send("y".repeat(100_000)),
    (ws) => ws.send(Buffer.alloc(70_000, 7)),
    (ws) => ws.ping("there?"),
    (ws) => ws.close(4000, "bye"),
  ];
  console.log(await talk(options, (ws, n) => steps[n](ws)));
}
console.log(await talk(deflating, (ws, n) => (n === 0 ? ws.send("close 4001 srv") : ws.close(1000))));
console.log(await talk(deflating, (ws) => ws.close()));
