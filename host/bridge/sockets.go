package bridge

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"durago.example/host/durable"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

func (s *scope) socketOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	k := s.object.Sockets
	r := abi.NewReader(frame)
	switch op {
	case abi.OpSocketAccept:
		var tags []string
		for n := r.U16(); n > 0 && r.Err() == nil; n-- {
			tags = append(tags, r.Str())
		}
		if r.Err() != nil {
			return dst, r.Err()
		}
		ws, err := k.Accept(tags)
		if err != nil {
			return dst, err
		}
		return abi.AppendU32(dst, ws.ID), nil
	case abi.OpSocketBroadcast:
		text := r.U8() == 1
		n := r.Count(4)
		to := make([]*durable.Socket, 0, n)
		for ; n > 0; n-- {
			if ws, err := k.Get(r.U32()); err == nil {
				to = append(to, ws)
			}
		}
		k.Send(to, text, message(text, r.Rest()))
		return dst, r.Err()
	case abi.OpSockets:
		list := k.All
		if r.U8() == 1 {
			tag := r.Str()
			list = func() []*durable.Socket { return k.WithTag(tag) }
		}
		for _, ws := range list() {
			dst = abi.AppendU32(dst, ws.ID)
		}
		return dst, nil
	case abi.OpAutoResponse:
		if r.U8() == 0 {
			return dst, k.SetAutoResponse(nil)
		}
		return dst, k.SetAutoResponse(&[2]string{r.Str(), r.Str()})
	}
	ws, err := k.Get(token)
	if err != nil {
		return dst, err
	}
	switch op {
	case abi.OpSocketSend:
		text := r.U8() == 1
		if err := ws.CheckSend(); err != nil {
			return dst, err
		}
		k.Send([]*durable.Socket{ws}, text, message(text, r.Rest()))
	case abi.OpSocketClose:
		code := int(r.U16())
		return dst, k.Close(ws, code, r.Str())
	case abi.OpSocketTags:
		dst = abi.AppendU16(dst, uint16(len(ws.Tags)))
		for _, t := range ws.Tags {
			dst = abi.AppendStr(dst, t)
		}
	case abi.OpSocketAttach:
		n, err := storedSize(frame, maxAttachment)
		if err != nil {
			return dst, cloneError(err)
		}
		if n > maxAttachment {
			return dst, attachmentTooLarge(n)
		}
		if ws.Attachment = append([]byte(nil), frame...); bytes.Equal(frame, value.AppendNull(nil)) {
			ws.Attachment = nil // JavaScript cannot tell one that is null from none
		}
	case abi.OpSocketAttachment:
		dst = append(abi.AppendBool(dst, ws.Attachment != nil), ws.Attachment...)
	case abi.OpSocketPinged:
		if ws.Conn == nil {
			return append(dst, millis(s.b.o.Clock.Now(), false)...), nil
		}
		at, ok := ws.Conn.LastAutoResponse()
		dst = append(dst, millis(at, ok)...)
	case abi.OpSocketState:
		dst = append(dst, byte(ws.State()))
	}
	return dst, nil
}

// message is a copy of what a guest sends. Text is made valid UTF-8, as JavaScript strings are when they leave.
func message(text bool, data []byte) []byte {
	if text && !utf8.Valid(data) {
		return []byte(string([]rune(string(data))))
	}
	return append([]byte(nil), data...)
}

// maxAttachment bounds what is kept with a socket, in bytes as V8 would write it.
const maxAttachment = 16_384

func attachmentTooLarge(n int) error {
	return fmt.Errorf("A WebSocket 'attachment' cannot be larger than %d bytes.'attachment' was %d bytes.", maxAttachment, n)
}
