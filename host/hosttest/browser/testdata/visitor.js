// A client of a room, of the interface that browsers and the package ws of Node.js share. It opens a socket to url, and
// another when that has closed; says something on it every pause milliseconds; and remembers of each connection what it
// said, what it heard, and how it ended.
//
// stop has it say five things more, and close at once; it resolves with the connections.
function visitor(WebSocket, url, name, pause) {
  const connections = [];
  let socket, now, stopped, n = 0;
  const say = () => {
    if (socket.readyState !== 1) return;
    const text = `${name}-${n++}`;
    now.said.push(text);
    socket.send(JSON.stringify({ event: "chat", text }));
  };
  const connect = () => {
    const own = new WebSocket(url);
    const c = { said: [], heard: [], code: 0, reason: "" };
    [socket, now] = [own, c];
    own.onopen = () => connections.push(c);
    own.onmessage = (e) => {
      const m = JSON.parse(e.data);
      if (m.event === "chat") c.heard.push(m.text);
    };
    own.onerror = () => {};
    own.onclose = (e) => {
      [c.code, c.reason] = [e.code, e.reason];
      if (stopped) stopped(connections);
      else setTimeout(connect, 20);
    };
  };
  connect();
  const timer = setInterval(say, pause);
  return {
    connections,
    stop: () =>
      new Promise((resolve) => {
        const finish = () => {
          if (socket.readyState !== 1) return setTimeout(finish, 10);
          clearInterval(timer);
          for (let i = 0; i < 5; i++) say();
          stopped = resolve;
          socket.close(1000, "enough");
        };
        finish();
      }),
  };
}
