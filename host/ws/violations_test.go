package ws_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/ws"
)

// masked is a frame of a client, masked with nothing. first is its first byte: 0x80 says that it is the last of a message,
// 0x70 are reserved, 0x0f what it is.
func masked(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

// closing is a close frame.
func closing(code uint16, reason string) string {
	return masked(0x88, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// violation is bytes of a client that break RFC 6455, and the code that says so.
type violation struct {
	name, raw string
	code      int
}

// violations has each class of them.
func violations() []violation {
	list := []violation{
		{"an unmasked frame", "\x81\x02hi", 1002},
		{"an unmasked ping", "\x89\x00", 1002},
		{"RSV1 without negotiation", masked(0xc1, "hi"), 1002},
		{"RSV2", masked(0xa1, "hi"), 1002},
		{"RSV3", masked(0x92, "hi"), 1002},
		{"all reserved bits of a ping", masked(0xf9, ""), 1002},
		{"a reserved bit of a close", masked(0xa8, "\x03\xe8"), 1002},
		{"a reserved bit of a continuation", masked(0x01, "hi") + masked(0xc0, "hi"), 1002},
		{"a ping in parts", masked(0x09, "hi"), 1002},
		{"a pong in parts", masked(0x0a, "hi"), 1002},
		{"a close in parts", masked(0x08, "\x03\xe8"), 1002},
		{"a ping of 126 bytes", masked(0x89, strings.Repeat("x", 126)), 1002},
		{"a pong of 126 bytes", masked(0x8a, strings.Repeat("x", 126)), 1002},
		{"a close of 126 bytes", closing(1000, strings.Repeat("x", 124)), 1002},
		{"a ping of 65,536 bytes", masked(0x89, strings.Repeat("x", 1<<16)), 1002},
		{"a continuation of nothing", masked(0x80, "hi"), 1002},
		{"a continuation of nothing, not the last", masked(0x00, "hi"), 1002},
		{"a continuation after a whole message", masked(0x01, "a") + masked(0x80, "b") + masked(0x80, "c"), 1002},
		{"a message within another", masked(0x01, "hi") + masked(0x81, "hi"), 1002},
		{"a message in parts within another", masked(0x02, "hi") + masked(0x02, "hi"), 1002},
		{"a close of one byte", masked(0x88, "\x03"), 1002},
		{"a close of one byte within a message", masked(0x01, "hi") + masked(0x88, "\x03"), 1002},
		{"a reason that is not UTF-8", closing(1000, "\xff"), 1002},
		{"a reason whose last letter is cut", closing(1000, "caf\xc3"), 1002},
		{"a length of two bytes that needs one", "\x81\xfe\x00\x7d\x00\x00\x00\x00" + strings.Repeat("x", 125), 1002},
		{"a length of eight bytes that needs two", "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00", 1002},
		{"a length of 64 bits", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1002},
		{"a length of 63 bits", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00" + strings.Repeat("x", ws.MaxMessage+1), 1009},
		{"parts of together 64 bits", masked(0x02, "hi") + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009},
		{"a message too large", masked(0x82, strings.Repeat("x", ws.MaxMessage+1)), 1009},
		{"a message too large in parts", masked(0x02, strings.Repeat("x", ws.MaxMessage)) + masked(0x00, "") + masked(0x80, "x"), 1009},
		{"text too large that is not UTF-8", masked(0x81, strings.Repeat("\xff", ws.MaxMessage+1)), 1009},
		{"text that is not UTF-8", masked(0x81, "\xff"), 1007},
		{"text of a surrogate", masked(0x81, "\xed\xa0\x80"), 1007},
		{"text longer than it must be", masked(0x81, "\xc0\xaf"), 1007},
		{"text above U+10FFFF", masked(0x81, "\xf4\x90\x80\x80"), 1007},
		{"text whose last letter is cut", masked(0x81, "caf\xc3"), 1007},
		{"text that is not UTF-8, in parts", masked(0x01, "\xc3") + masked(0x80, "x"), 1007},
		{"text whose last letter is cut, in parts", masked(0x01, "caf") + masked(0x00, "\xc3") + masked(0x80, ""), 1007},
	}
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		list = append(list, violation{fmt.Sprintf("the reserved opcode %d", opcode), masked(0x80|opcode, ""), 1002})
	}
	// 1014 is registered, but gorilla does not know it.
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		list = append(list, violation{fmt.Sprintf("the close code %d", code), closing(code, ""), 1002})
	}
	return list
}

// breaks sends what a client must not, and reads the answer, which is the last that comes.
func breaks(t *testing.T, p *peer, c *websocket.Conn, v violation) {
	t.Helper()
	sent := make(chan struct{})
	go func() { // the host may stop reading before it is all sent
		defer close(sent)
		_, _ = c.NetConn().Write([]byte(v.raw))
	}()
	_, _, err := c.ReadMessage()
	var e *websocket.CloseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, v.code, e.Code)
	g := <-p.gone
	require.Equal(t, v.code, g.code)
	require.Equal(t, e.Text, g.reason)
	require.False(t, g.clean)
	require.NoError(t, c.Close())
	<-sent
	<-p.served
}

// TestConn_violations: each breach of RFC 6455 closes with its code, which the object learns too; with deflated messages
// agreed on or not, if it comes in one piece or byte by byte, and with nothing heard of what follows.
func TestConn_violations(t *testing.T) {
	for _, v := range violations() {
		t.Run(v.name, func(t *testing.T) {
			p, c := dial(t)
			v.raw += masked(0x81, "after it")
			breaks(t, p, c, v)
			for len(p.messages) > 0 { // of before
				require.NotEqual(t, "after it", <-p.messages)
			}
		})
		if v.name == "RSV1 without negotiation" || len(v.raw) > 1<<20 {
			continue
		}
		t.Run(v.name+", deflating", func(t *testing.T) {
			p, c, agreed := dialWith(t, deflating)
			require.NotEmpty(t, agreed)
			breaks(t, p, c, v)
		})
	}
}

// TestConn_violations_pieces: what is wrong is found however the bytes arrive, and what came before it is heard.
func TestConn_violations_pieces(t *testing.T) {
	for _, v := range violations() {
		if len(v.raw) > 1000 {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			p, c := dial(t)
			go func() {
				for _, b := range []byte(masked(0x81, "before it") + masked(0x89, "") + v.raw) {
					if _, err := c.NetConn().Write([]byte{b}); err != nil {
						return
					}
				}
			}()
			_, _, err := c.ReadMessage()
			var e *websocket.CloseError
			require.ErrorAs(t, err, &e)
			require.Equal(t, v.code, e.Code)
			require.Equal(t, "before it", <-p.messages)
			require.Equal(t, v.code, (<-p.gone).code)
			require.NoError(t, c.Close())
			<-p.served
		})
	}
}

// TestConn_lingers: who sends more than the system's buffers take after it has broken the protocol learns why all the same.
func TestConn_lingers(t *testing.T) {
	for _, v := range []violation{
		{"a message far too large", masked(0x82, strings.Repeat("x", 3*ws.MaxMessage)), 1009},
		{"much after a reserved opcode", masked(0x83, "") + strings.Repeat("x", ws.MaxMessage), 1002},
		{"much after text that is not UTF-8", masked(0x81, "\xff") + strings.Repeat("x", ws.MaxMessage), 1007},
	} {
		t.Run(v.name, func(t *testing.T) {
			p, c := dial(t)
			_, err := c.NetConn().Write([]byte(v.raw))
			require.NoError(t, err)
			_, _, err = c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, v.code), "%v", err)
			require.Equal(t, v.code, (<-p.gone).code)
			_, err = c.NetConn().Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, c.Close())
			<-p.served
		})
	}
}

// TestConn_deflate_violations: what RFC 7692 forbids, where deflated messages are agreed on.
func TestConn_deflate_violations(t *testing.T) {
	const hi = "\xca\xc8\x04\x00" // "hi"
	for _, v := range []violation{
		{"a deflated ping", masked(0xc9, hi), 1002},
		{"a deflated close", masked(0xc8, "\x03\xe8"), 1002},
		{"a continuation marked as deflated", masked(0x41, hi[:2]) + masked(0xc0, hi[2:]), 1002},
		{"what cannot be inflated", masked(0xc1, "\xff\xff\xff\xff"), 1002},
		{"what ends too early", masked(0xc1, "\x00\x10\x00\xef\xff"), 1002},
		{"deflated text that is not UTF-8", masked(0xc1, "\xfa\x0f\x00"), 1007},
	} {
		t.Run(v.name, func(t *testing.T) {
			p, c, _ := dialWith(t, deflating)
			breaks(t, p, c, v)
		})
	}
	t.Run("deflated in parts is none", func(t *testing.T) {
		p, c, _ := dialWith(t, deflating)
		_, err := c.NetConn().Write([]byte(masked(0x41, hi[:2]) + masked(0x89, "") + masked(0x80, hi[2:])))
		require.NoError(t, err)
		require.Equal(t, "hi", <-p.messages)
	})
}

// TestConn_sound: what looks like a breach and is none.
func TestConn_sound(t *testing.T) {
	for _, row := range []struct {
		name, raw string
		messages  []string
		gone      gone // if it closes
	}{
		{"a letter in two parts", masked(0x01, "\xc3") + masked(0x80, "\xa9"), []string{"é"}, gone{}},
		{"empty parts", masked(0x01, "") + masked(0x00, "") + masked(0x80, ""), []string{""}, gone{}},
		{"a ping and a pong within a message", masked(0x01, "a") + masked(0x89, strings.Repeat("x", 125)) + masked(0x8a, "") + masked(0x80, "b"), []string{"ab"}, gone{}},
		{"a pong that nobody asked for", masked(0x8a, "x") + masked(0x81, "a"), []string{"a"}, gone{}},
		{"bytes that are not UTF-8", masked(0x82, "\xff"), []string{"binary \xff"}, gone{}},
		{"a message of 32 MiB in parts", masked(0x02, strings.Repeat("x", ws.MaxMessage-1)) + masked(0x80, "x"), []string{"binary " + strings.Repeat("x", ws.MaxMessage)}, gone{}},
		{"data after a close", closing(1000, "") + masked(0x81, "late") + "\xff\xff", nil, gone{1000, "", true}},
		{"a close within a message", masked(0x01, "half") + closing(1000, "enough"), nil, gone{1000, "enough", true}},
		{"two closes", closing(4000, "a") + closing(4001, "b"), nil, gone{4000, "a", true}},
		{"a close of nothing", masked(0x88, ""), nil, gone{1005, "", true}},
		{"a reason of 123 bytes", closing(1000, strings.Repeat("é", 61)+"x"), nil, gone{1000, strings.Repeat("é", 61) + "x", true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, c := dial(t)
			_, err := c.NetConn().Write([]byte(row.raw))
			require.NoError(t, err)
			for _, m := range row.messages {
				require.True(t, m == <-p.messages)
			}
			if row.gone.code == 0 {
				require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("and on")))
				require.Equal(t, "and on", <-p.messages)
				return
			}
			require.Equal(t, row.gone, <-p.gone)
			<-p.served
			require.Empty(t, p.messages)
		})
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999} {
		t.Run(fmt.Sprint("the close code ", code), func(t *testing.T) {
			p, c := dial(t)
			_, err := c.NetConn().Write([]byte(closing(code, "é")))
			require.NoError(t, err)
			require.Equal(t, gone{int(code), "é", true}, <-p.gone)
			<-p.served
			_, _, err = c.ReadMessage()
			require.True(t, websocket.IsCloseError(err, int(code)))
		})
	}
}
