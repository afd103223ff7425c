//go:build !js

package websocketserver_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/objects/websocket"
)

// quiet reads what there is of a visitor, up to the answer to a ping that the object reads.
func (v *visitor) quiet() (frames []string) {
	v.t.Helper()
	v.say(`{"event": "ping"}`)
	for {
		f := v.hear()
		if frame(v.t, f)["event"] == "pong" {
			return frames
		}
		frames = append(frames, f)
	}
}

// TestScenario_hostile: each frame that a client of bad will can send to the compiled room has its answer, on both runtimes,
// the socket stays open, and the others hear what they should and nothing else.
func TestScenario_hostile(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		good, _ := open(t, h, "bob", "fast-hostile", "", 0)
		far, _ := open(t, h, "cleo", "fast-other", "", 0)
		bad, _ := open(t, h, "eve", "fast-hostile", "", 0)
		good.hears("session:connected", "user:joined")
		plain := visit(t, h, "eve", "fast-hostile")
		plain.hears("session:list")
		bad.hears("session:connected")
		good.hears("session:connected")
		long := func(n int) string { return `{"event":"x","pad":"` + strings.Repeat("a", n-22) + `"}` }
		for _, row := range []struct {
			name, frame string
			want        string // statuses of errors, or events
			plain       string // of a plain client, if that is another
		}{
			{"no JSON", `{"event":"chat"`, "400", ""},
			{"nothing", ``, "400", ""},
			{"no object", `"event"`, "400", ""},
			{"deep", `{"event":"decode","x":` + nest(9_000) + `}`, "400", ""},
			{"deeper than any reader goes", `{"event":"decode","x":` + nest(20_000) + `}`, "400", ""},
			{"as deep as may be", `{"event":"decode","x":` + nest(websocket.MaxDepth-1) + `}`, "decoded", ""},
			{"two events", `{"event":"chat","event":"count"}`, "count", ""},
			{"a great number", `{"event":"nothing","x":1e999999,"y":` + strings.Repeat("9", 20_000) + `}`, "", ""},
			{"half a letter", `{"event":"\ud800"}`, "", ""},
			{"65,536 bytes", long(65_536), "", ""},
			{"one more", long(65_537), "413", ""},
			{"much more", `{"event":"token:refresh","token":"` + strings.Repeat("x", 1<<20) + `"}`, "413", ""},
			{"what is no event", `{"event":"no such thing"}`, "", ""},
			{"n of 0", `{"event":"count","n":0}`, "400", "count"},
			{"a negative n", `{"event":"count","n":-1}`, "400", "count"},
			{"n too great", `{"event":"count","n":9007199254740992}`, "400", "count"},
			{"n of a part", `{"event":"count","n":1.5}`, "400", "count"},
			{"n with an exponent", `{"event":"count","n":1e0}`, "400", "count"},
			{"n as a text", `{"event":"count","n":"1"}`, "400", "count"},
			{"n of null", `{"event":"count","n":null}`, "400", "count"},
			{"ahead", `{"event":"count","n":9007199254740991}`, "409", "count"},
			{"an ack of what was never sent", `{"event":"session:ack","seq":9007199254740991}`, "", ""},
			{"an ack of nothing", `{"event":"session:ack","seq":-1}`, "", ""},
			{"open again", `{"event":"session:open","token":"x"}`, "409", "403"},
			{"history of nothing", `{"event":"history:get","before":0,"limit":0}`, "history", ""},
			{"history of too much", `{"event":"history:get","before":9007199254740991,"limit":9007199254740991}`, "history", ""},
			{"history of nonsense", `{"event":"history:get","before":"x","limit":{}}`, "history", ""},
			{"no token", `{"event":"token:refresh"}`, "400", ""},
			{"garbage", `{"event":"token:refresh","token":"a.b.c"}`, "401", ""},
			{"garbage of 60 KB", `{"event":"token:refresh","token":"` + strings.Repeat("x", 60_000) + `"}`, "400", ""},
			{"a presence of nobody", `{"event":"presence:update"}`, "400", ""},
			{"a presence id too long", `{"event":"presence:update","presence_id":"` + strings.Repeat("x", 65) + `"}`, "400", ""},
			{"half a letter as an id", `{"event":"presence:update","presence_id":"\udc00"}`, "400", ""},
			{"another's presence", `{"event":"presence:remove","presence_id":"bob"}`, "403", ""},
			{"a gap that is none", `{"event":"session:gap","from":1,"to":9007199254740991}`, "403", ""},
			{"a forged number", `{"event":"presence:reaction","seq":9007199254740991}`, "400", ""},
		} {
			if row.name == "another's presence" {
				good.say(presence("bob", 1))
				good.hears("presence:update")
				bad.hears("presence:update")
				plain.hears("presence:update")
			}
			for _, v := range []*visitor{bad, plain} {
				want := row.want
				if v == plain && row.plain != "" {
					want = row.plain
				} else if v == plain && strings.HasPrefix(want, "history") {
					want = ""
				}
				v.say(row.frame)
				h.Record("%s:", row.name)
				var got []string
				for _, f := range v.quiet() {
					if m := frame(t, f); m["event"] == "error" {
						got = append(got, fmt.Sprint(m["status"]))
					} else {
						got = append(got, m["event"].(string))
					}
				}
				require.Equal(t, want, strings.Join(got, " "), row.name)
			}
		}
		require.NoError(t, bad.WriteMessage(gorilla.BinaryMessage, make([]byte, 1<<20)))
		require.EqualValues(t, 400, frame(t, bad.hears("error"))["status"])
		w, err := bad.NextWriter(gorilla.TextMessage) // in parts of 4 KB
		require.NoError(t, err)
		_, err = io.WriteString(w, long(60_000))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Empty(t, bad.quiet())

		bad.say(`{"event":"chat","text":"one","n":1}`)
		bad.hears("chat", "message:ack")
		bad.say(`{"event":"chat","text":"again","n":1}`)
		require.Equal(t, true, frame(t, bad.hears("message:ack"))["again"])
		for i := range 12 {
			bad.say(`{"event":"presence:update","presence_id":"p` + fmt.Sprint(i) + `","state":"` + strings.Repeat("s", 60_000) + `","clock":9007199254740991}`)
		}
		h.Unrecorded(func() {
			refused := 0
			for _, f := range bad.quiet() {
				if frame(t, f)["status"] == float64(429) {
					refused++
				}
			}
			require.Equal(t, 4, refused, "of twelve ids")
		})

		good.say(`{"event":"chat","text":"well","n":1}`)
		var heard []string
		h.Unrecorded(func() {
			for _, f := range good.quiet() {
				if m := frame(t, f); m["event"] != "presence:update" {
					heard = append(heard, fmt.Sprint(m["event"], m["text"], m["seq"]))
				}
			}
		})
		require.Equal(t, []string{"chatone3", "chatwell4", "message:ack<nil> <nil>"}, heard, "each once, and nothing else; two numbers were of answers to others")
		require.Empty(t, far.quiet())
	})
}

// TestScenario_hostile_open: what is offered to begin a session.
func TestScenario_hostile_open(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		_, f := open(t, h, "ann", "acme", "", 0)
		token := f["token"].(string)
		for _, row := range []struct{ name, open, want string }{
			{"another's", `{"event":"session:open","token":"` + token + `","seq":0}`, "false"},
			{"one letter off", `{"event":"session:open","token":"` + token[:52] + "!" + `"}`, "false"},
			{"garbage", `{"event":"session:open","token":{"a":[1]},"seq":"x","rewind":-1}`, "false"},
			{"60 KB", `{"event":"session:open","token":"` + strings.Repeat("x", 60_000) + `"}`, "false"},
			{"more seen than there is", `{"event":"session:open","seq":9007199254740991,"rewind":9007199254740991}`, "false"},
			{"100 KB", `{"event":"session:open","token":"` + strings.Repeat("x", 100_000) + `"}`, "413"},
		} {
			v := visit(t, h, "eve", "acme", websocket.Recoverable)
			v.say(`{"event":"chat","n":1}`)
			require.EqualValues(t, 409, frame(t, v.hears("error"))["status"])
			v.say(row.open)
			h.Unrecorded(func() {
				m := frame(t, v.hear())
				if row.want == "413" {
					require.EqualValues(t, 413, m["status"], row.name)
					return
				}
				require.Equal(t, "session:open", m["event"], row.name)
				require.Equal(t, row.want, fmt.Sprint(m["resumed"]), row.name)
			})
			h.Record("%s: %s", row.name, row.want)
			require.NoError(t, v.Close())
		}
	})
}

// upgrade sends a request by hand, with headers as they are, and returns the status.
func upgrade(t *testing.T, h *hosttest.Host, query string, headers ...string) (status int, c net.Conn, r *bufio.Reader) {
	t.Helper()
	u, err := url.Parse(h.URL)
	require.NoError(t, err)
	var dial = func() (net.Conn, error) { return net.Dial("tcp", u.Host) }
	if d := h.Dialer().NetDialContext; d != nil { // in a bubble
		dial = func() (net.Conn, error) { return d(t.Context(), "tcp", u.Host) }
	}
	c, err = dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	head := "GET /api/websocket" + query + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, line := range headers {
		head += line + "\r\n"
	}
	_, err = io.WriteString(c, head+"\r\n")
	require.NoError(t, err)
	r = bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	if resp.StatusCode != 101 {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return resp.StatusCode, c, r
}

// first is the first frame of a server, of less than 64 KiB.
func first(t *testing.T, c net.Conn, r *bufio.Reader) string {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	head := make([]byte, 2)
	_, err := io.ReadFull(r, head)
	require.NoError(t, err)
	n := int(head[1])
	if n == 126 {
		_, err = io.ReadFull(r, head)
		require.NoError(t, err)
		n = int(head[0])<<8 | int(head[1])
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	require.NoError(t, err)
	return string(b)
}

// TestScenario_hostile_upgrades: who is let in, by headers that no browser sends, names of rooms, and metadata at its bound.
func TestScenario_hostile_upgrades(t *testing.T) {
	both(t, func(t *testing.T, h *hosttest.Host) {
		own := "Origin: " + h.URL
		good := ticket(t, h, time.Hour, nil)
		room := func(name string) string { return "?user=eve&room=" + url.QueryEscape(name) }
		// The metadata has the user twice, and the room: see package rooms.
		long := func(n int) string {
			n -= len(`{"room":"","meta":{"user_id":"","user_name":"\u00c9 "}}`)
			return "?user=" + strings.Repeat("u", 4010) + "&room=" + strings.Repeat("r", n-2*4010)
		}
		for _, row := range []struct {
			name, query string
			headers     []string
			status      int
		}{
			{"no origin", "?user=eve", nil, 101},
			{"its own page", "?user=eve", []string{own}, 101},
			{"its own host, in clear or not", "?user=eve", []string{strings.Replace(own, "http:", "https:", 1)}, 101},
			{"null", "?user=eve", []string{"Origin: null"}, 403},
			{"another scheme", "?user=eve", []string{strings.Replace(own, "http:", "file:", 1)}, 403},
			{"another port", "?user=eve", []string{"Origin: " + strings.Replace(h.URL, "http://", "http://1.", 1) + "1"}, 403},
			{"an allowed page on another port", "?user=eve", []string{"Origin: https://app.example.com:8443"}, 403},
			{"two origins", "?user=eve", []string{own, "Origin: https://evil.example"}, 403},
			{"the same origin twice", "?user=eve", []string{own, own}, 403},
			{"somebody in the address", "?user=eve", []string{strings.Replace(own, "http://", "http://evil@", 1)}, 403},
			{"a room at the bound", room(strings.Repeat("é", 64)), nil, 101},
			{"one over it", room(strings.Repeat("é", 64) + "x"), nil, 400},
			{"a room of odd letters", room("\u202e\u200b👩‍👩‍👧‍👦a\u0300\ufeff"), nil, 101},
			{"half a letter", "?user=eve&room=%ed%a0%80", nil, 400},
			{"the letter for what is none", room("\ufffd"), nil, 101},
			{"a nought", room("a\x00b"), nil, 400},
			{"an end of line", room("a\r\nX-Ws-Meta: {}"), nil, 400},
			{"a path", room("../../secret"), nil, 101},
			{"two rooms", "?user=eve&room=acme&room=closed", nil, 101},
			{"two rooms, the first closed", "?user=eve&room=closed&room=acme", nil, 403},
			{"metadata at the bound", long(websocket.MaxMeta), nil, 101},
			{"one over it", long(websocket.MaxMeta + 1), nil, 500},
			{"two tokens", "", []string{"Sec-WebSocket-Protocol: " + websocket.TokenProtocol + good, "Sec-WebSocket-Protocol: " + websocket.TokenProtocol + good}, 400},
			{"a token and a forged one", "", []string{"Sec-WebSocket-Protocol: " + websocket.TokenProtocol + good + ", " + websocket.TokenProtocol + "x"}, 400},
			{"a token among others", "", []string{"Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: " + websocket.TokenProtocol + good}, 101},
		} {
			status, c, _ := upgrade(t, h, row.query, row.headers...)
			require.Equal(t, row.status, status, row.name)
			h.Record("%s: %d", row.name, status)
			require.NoError(t, c.Close())
		}
		for _, headers := range [][]string{
			{`X-Ws-Meta: {"meta":{"user_id":"root"}}`},
			{`X-Ws-Meta: {"meta":{"user_id":"root"}}`, `x-ws-meta: {"room":"closed","meta":{"user_id":"root"}}`, "X-Ws-Meta:"},
		} {
			status, c, r := upgrade(t, h, "?user=eve&room=own"+fmt.Sprint(len(headers)), headers...)
			require.Equal(t, 101, status)
			var list struct {
				Sessions []struct{ Meta map[string]any }
			}
			require.NoError(t, json.Unmarshal([]byte(first(t, c, r)), &list))
			require.Len(t, list.Sessions, 1)
			require.Equal(t, "eve", list.Sessions[0].Meta["user_id"])
		}
	})
}
