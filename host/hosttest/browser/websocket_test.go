package browser_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// talk is the part of a page: it opens a socket, does something, and resolves with what happened.
const talk = `
	globalThis.talk = (path, protocols, act) => new Promise((resolve) => {
		const ws = new WebSocket(location.origin.replace("http", "ws") + path, protocols), seen = [];
		ws.binaryType = "arraybuffer";
		const note = (text) => seen.push(text);
		const shown = (d) => typeof d === "string" ? d : "bytes " + new Uint8Array(d).join(" ");
		ws.onopen = () => act(ws, note, "open");
		ws.onmessage = (e) => { note(e.data.length > 80 || e.data.byteLength > 80 ? typeof e.data + " " + (e.data.length ?? e.data.byteLength) : shown(e.data)); act(ws, note, e.data); };
		ws.onerror = () => note("error");
		ws.onclose = (e) => resolve([...seen, "closed " + e.code + " " + JSON.stringify(e.reason) + (e.wasClean ? " clean" : "")].join("; "));
	});
	globalThis.throws = (f) => { try { f(); return "fine"; } catch (e) { return e.name; } };`

// TestWebSocket: what a page sees of the host through its own interface, on sockets that hibernate and on ordinary ones.
func TestWebSocket(t *testing.T) {
	b := chromium(t)
	h := hosttest.Start(t, hosttest.Options{Config: sockets, RealTime: true})
	p := b.open(h.URL)
	p.do(talk)
	for _, row := range []struct{ name, path, protocols, act, hibernating, ordinary string }{
		{"text and bytes", "", `[]`, `(ws, note, m) => {
			if (m === "open") { ws.send("h\u00e9 \u{1f600}"); ws.send(new Uint8Array([0, 255, 128])); ws.send(new Blob(["blob"])); ws.send(""); ws.send(new ArrayBuffer(0)); }
			if (m.byteLength === 0) ws.close(1000, "done");
		}`, `hé 😀; bytes 0 255 128; bytes 98 108 111 98; ; bytes ; closed 1000 "done" clean`, `echo hé 😀; bytes 0 255 128; bytes 98 108 111 98; echo ; bytes ; closed 1000 "done" clean`},
		{"the code and reason of a page", "", `[]`, `(ws) => ws.close(3999, "r\u00e9".repeat(41))`, `closed 3999 "` + strings.Repeat("ré", 41) + `" clean`, `closed 3999 "` + strings.Repeat("ré", 41) + `" clean`},
		{"a page that gives no code", "", `[]`, `(ws) => ws.close()`, `closed 1000 "" clean`, `closed 1005 "" clean`},
		{"a page that closes twice", "", `[]`, `(ws) => { ws.close(4000, "a"); ws.close(4001, "b"); }`, `closed 4000 "a" clean`, `closed 4000 "a" clean`},
		{"codes that a page must not give", "", `[]`, `(ws, note) => {
			note([999, 1001, 1005, 2999, 5000].map((code) => throws(() => ws.close(code))).join());
			note(throws(() => ws.close(4000, "x".repeat(124))));
			ws.close(1000);
		}`, `InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError; SyntaxError; closed 1000 "" clean`,
			`InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError; SyntaxError; closed 1000 "" clean`},
		{"the code and reason of the object", "", `[]`, `(ws) => ws.send(ws.url.includes("hibernate") ? "close" : "close 4001 srv")`, `closed 4001 "srv" clean`, `closed 4001 "srv" clean`},
		{"a subprotocol", "?protocol=chat.v2", `["chat.v1", "chat.v2"]`, `(ws, note) => { note(ws.protocol); ws.close(1000); }`, `chat.v2; closed 1000 "" clean`, `chat.v2; closed 1000 "" clean`},
		{"no subprotocol of those offered", "", `["chat.v1"]`, `(ws, note) => { note("open"); }`, `error; closed 1006 ""`, `error; closed 1006 ""`},
		{"a subprotocol that was not offered", "?protocol=chat.v2", `["chat.v1"]`, `(ws, note) => { note("open"); }`, `error; closed 1006 ""`, `error; closed 1006 ""`},
		{"deflated", "", `[]`, `(ws, note, m) => {
			if (m === "open") { note(ws.extensions); ws.send("x".repeat(1 << 20)); ws.send(new Uint8Array(1 << 20)); }
			if (m.byteLength) ws.close(1000);
		}`, `permessage-deflate; server_no_context_takeover; client_no_context_takeover; string 1048576; object 1048576; closed 1000 "" clean`,
			`permessage-deflate; server_no_context_takeover; client_no_context_takeover; string 1048581; object 1048576; closed 1000 "" clean`},
		{"bufferedAmount", "", `[]`, `(ws, note, m) => {
			if (m === "open") { ws.send("x".repeat(1 << 20)); note(ws.bufferedAmount); return; }
			const empty = () => { if (ws.bufferedAmount > 0) return setTimeout(empty, 1); note(ws.bufferedAmount); ws.close(1000); };
			empty();
		}`, `1048576; string 1048576; 0; closed 1000 "" clean`, `1048576; string 1048581; 0; closed 1000 "" clean`},
		{"a message of 32 MiB", "", `[]`, `(ws, note, m) => { if (m === "open") ws.send(new Uint8Array(32 << 20)); else ws.close(1000); }`, `got 33554432; closed 1000 "" clean`, `got 33554432; closed 1000 "" clean`},
		{"what is sent after a close", "", `[]`, `(ws, note) => { ws.close(1000); ws.send("late"); note(ws.readyState + " " + ws.bufferedAmount); }`, `2 4; closed 1000 "" clean`, `2 4; closed 1000 "" clean`},
	} {
		for at, want := range map[string]string{"hibernate": row.hibernating, "accept": row.ordinary} {
			t.Run(row.name+", "+at, func(t *testing.T) {
				p := p.of(t)
				name := strings.ReplaceAll(row.name, " ", "-")
				require.Equal(t, want, evaluate[string](p, fmt.Sprintf("talk(%q, %s, %s)", "/"+at+"/"+name+row.path, row.protocols, row.act)))
			})
		}
	}
	t.Run("no socket there", func(t *testing.T) {
		p := p.of(t)
		require.Equal(t, `error; closed 1006 ""`, evaluate[string](p, `talk("/refuse/x", [], () => {})`))
	})
	t.Run("a message that is too large", func(t *testing.T) { // clean, if the page can answer before the connection ends
		for _, at := range []string{"hibernate", "accept"} {
			seen := evaluate[string](p.of(t), `talk("/`+at+`/large", [], (ws) => ws.send(new Uint8Array(80 << 20)))`)
			require.Equal(t, `closed 1009 "Message is too large"`, strings.TrimSuffix(seen, " clean"))
		}
	})
	t.Run("a page that goes away", func(t *testing.T) {
		for _, at := range []string{"hibernate", "accept"} {
			gone := b.open(h.URL)
			gone.do(talk)
			gone.do(`await new Promise((resolve) => talk("/` + at + `/gone` + at + `", [], resolve))`)
			gone.close()
			require.Eventually(t, func() bool {
				_, text := h.Fetch("GET", "/log/gone"+at, "")
				return strings.Contains(text, `1001 "" clean=true`)
			}, 10*time.Second, 5*time.Millisecond)
		}
	})
}
