package guest

import (
	"encoding/binary"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) Sockets() driver.Sockets { return sockets{s} }

type sockets struct{ s *scope }

func (k sockets) List(tag *string) ([]uint32, error) {
	b := abi.AppendBool(nil, tag != nil)
	if tag != nil {
		b = abi.AppendStr(b, *tag)
	}
	a, err := k.s.do(abi.OpSockets, 0, b)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, len(a)/4)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(a[4*i:])
	}
	return out, nil
}

func (k sockets) Send(to []uint32, text bool, data []byte) error {
	if err := k.s.enter(); err != nil {
		return err
	}
	op, token := abi.OpSocketSend, uint32(0)
	b := abi.AppendBool(k.s.g.scratch(), text)
	if len(to) == 1 {
		token = to[0]
	} else {
		op = abi.OpSocketBroadcast
		b = abi.AppendU32(b, uint32(len(to)))
		for _, h := range to {
			b = abi.AppendU32(b, h)
		}
	}
	b = append(b, data...)
	_, err := k.s.g.call(k.s.id, op, token, b, nil)
	k.s.g.discard(b)
	return err
}

func (k sockets) Close(socket uint32, code int, reason string) error {
	_, err := k.s.do(abi.OpSocketClose, socket, abi.AppendStr(abi.AppendU16(nil, uint16(code)), reason))
	return err
}

func (k sockets) Tags(socket uint32) ([]string, error) {
	a, err := k.s.do(abi.OpSocketTags, socket, nil)
	if err != nil {
		return nil, err
	}
	r := abi.NewReader(a)
	out := make([]string, min(int(r.U16()), r.Len()/4+1))
	for i := range out {
		out[i] = r.Str()
	}
	return out, r.Err()
}

func (k sockets) Attachment(socket uint32) ([]byte, bool, error) {
	a, err := k.s.do(abi.OpSocketAttachment, socket, nil)
	if err != nil || len(a) == 0 || a[0] == 0 {
		return nil, false, err
	}
	return a[1:], true, nil
}

func (k sockets) Attach(socket uint32, value []byte) error {
	_, err := k.s.do(abi.OpSocketAttach, socket, value)
	return err
}

func (k sockets) AutoResponse(request, reply string, set bool) error {
	_, err := k.s.do(abi.OpAutoResponse, 0, abi.AppendStr(abi.AppendStr(abi.AppendBool(nil, set), request), reply))
	return err
}

func (k sockets) Pinged(socket uint32) (time.Time, bool, error) {
	a, err := k.s.do(abi.OpSocketPinged, socket, nil)
	if err != nil {
		return time.Time{}, false, err
	}
	return readTime(a)
}

func (k sockets) ReadyState(socket uint32) (int, error) {
	a, err := k.s.do(abi.OpSocketState, socket, nil)
	r := abi.NewReader(a)
	return int(r.U8()), err
}
