// A page in a room that it is to hear everything of: it says something every pause milliseconds, and remembers what was
// acknowledged or refused, what it heard, and what it was told that it may have missed.
function talker(Room, url, name, pause) {
  const room = new Room(url, { first: 20, most: 200 });
  const seen = { acknowledged: [], refused: [], heard: [], gaps: [], opened: [] };
  room.on("chat", (m) => seen.heard.push(m.text));
  room.on("session:gap", (m) => seen.gaps.push(`${m.from}-${m.to}`));
  room.on("session:open", (m) => seen.opened.push(m.resumed));
  let n = 0, timer;
  const say = () => {
    const text = `${name}-${n++}`;
    room.send("chat", { text }).then(
      () => seen.acknowledged.push(text),
      (e) => seen.refused.push(`${text}: ${e.status} ${e.message}`),
    );
  };
  return {
    seen,
    status: () => room.status,
    start: () => (timer = setInterval(say, pause)),
    stop: () => clearInterval(timer),
    counts: () => ({ said: n, acknowledged: seen.acknowledged.length, heard: seen.heard.length, opened: seen.opened.length }),
  };
}
