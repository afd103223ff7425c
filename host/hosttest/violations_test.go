package hosttest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// TestSockets_violations: what an object sees of a client that breaks RFC 6455, on a socket that it hibernates under and on an
// ordinary one. The classes of breaches are a table of package ws.
func TestSockets_violations(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, conns())
	deflating := h.Dialer()
	deflating.EnableCompression = true
	big := binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 32<<20+1)
	big = append(append(big, 0, 0, 0, 0), bytes.Repeat([]byte("x"), 32<<20+1)...)
	for i, row := range []struct {
		name, raw string
		want      string // code and reason, as the object notes them
	}{
		{"RSV2", "\xa1\x80\x00\x00\x00\x00", `1002 "RSV2 set" clean=false`},
		{"a reserved opcode", "\x83\x80\x00\x00\x00\x00", `1002 "bad opcode 3" clean=false`},
		{"no mask", "\x81\x00", `1002 "bad MASK" clean=false`},
		{"a ping in parts", "\x09\x80\x00\x00\x00\x00", `1002 "FIN not set on control" clean=false`},
		{"a long ping", "\x89\xfe\x00\x7e\x00\x00\x00\x00" + strings.Repeat("x", 126), `1002 "len > 125 for control" clean=false`},
		{"a continuation of nothing", "\x80\x80\x00\x00\x00\x00", `1002 "continuation after FIN" clean=false`},
		{"a message within another", "\x01\x80\x00\x00\x00\x00\x81\x80\x00\x00\x00\x00", `1002 "data before FIN" clean=false`},
		{"a deflated ping", "\xc9\x80\x00\x00\x00\x00", `1002 "RSV1 set on a frame that begins no message" clean=false`},
		{"a close of one byte", "\x88\x81\x00\x00\x00\x00\x03", `1002 "a close frame of one byte" clean=false`},
		{"the close code 1005", "\x88\x82\x00\x00\x00\x00\x03\xed", `1002 "bad close code 1005" clean=false`},
		{"a reason that is not UTF-8", "\x88\x83\x00\x00\x00\x00\x03\xe8\xff", `1002 "invalid utf8 payload in close frame" clean=false`},
		{"text that is not UTF-8", "\x81\x81\x00\x00\x00\x00\xff", `1007 "The text is not UTF-8" clean=false`},
		{"what cannot be inflated", "\xc1\x84\x00\x00\x00\x00\xff\xff\xff\xff", `1002 "Invalid compressed data" clean=false`},
		{"a message too large", string(big), `1009 "Message is too large" clean=false`},
		{"nothing wrong: a close of nothing", "\x88\x80\x00\x00\x00\x00", `1005 "" clean=true`},
		{"nothing wrong: data after a close", "\x88\x83\x00\x00\x00\x00\x0f\xa0x\x81\x81\x00\x00\x00\x00x", `4000 "x" clean=true`},
	} {
		for _, at := range []string{"hibernate", "accept"} {
			t.Run(row.name+", "+at, func(t *testing.T) {
				name := fmt.Sprint("v", i, at)
				c, _, err := deflating.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http")+"/"+at+"/"+name, nil)
				require.NoError(t, err)
				sent := make(chan struct{})
				go func() { // the host may stop reading before it is all sent
					defer close(sent)
					_, _ = c.NetConn().Write([]byte(row.raw))
				}()
				var e *websocket.CloseError
				_, _, err = c.ReadMessage()
				require.ErrorAs(t, err, &e)
				text := noted(t, h, name)
				require.Contains(t, text, row.want)
				if !strings.HasPrefix(row.want, "1005") { // which is answered by an empty frame, or 1000
					require.Contains(t, row.want, fmt.Sprintf("%d %q", e.Code, e.Text))
				}
				require.NoError(t, c.Close())
				<-sent
			})
		}
	}
}
