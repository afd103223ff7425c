package websocketserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"durago.example/objects/websocket"
)

// The frames of the server are put together here from texts that need no escaping: events, ids of our own, numbers, and
// JSON that was read before.

// maxList bounds the list that a newcomer gets, in bytes: sessions that no longer fit are left out, itself never.
const maxList = 512 << 10

func (s *Server) listFrame(m *Session) []byte {
	b := []byte(`{"event":"` + websocket.SessionList + `","sessions":[`)
	for _, other := range s.members.list {
		if other != m && m.can.MayReceive(websocket.SessionConnected) && len(b) < maxList {
			b = append(other.appendFields(append(b, '{')), `},`...)
		}
	}
	b = m.appendFields(append(b, '{'))
	b = append(b, `}],"num_connections":`...)
	return append(strconv.AppendInt(b, int64(len(s.members.list)), 10), '}')
}

func (s *Server) sessionFrame(event string, m *Session) []byte {
	b := m.appendFields([]byte(`{"event":"` + event + `",`))
	b = append(b, `,"num_connections":`...)
	return append(strconv.AppendInt(b, int64(len(s.members.list)), 10), '}')
}

func (m *Session) appendFields(b []byte) []byte {
	b = append(append(append(b, `"ws_session_id":"`...), m.ID...), '"')
	if m.Meta != nil {
		b = append(append(b, `,"meta":`...), m.Meta...)
	}
	return b
}

func (s *Server) userFrame(event string, m *Session) []byte {
	user, _ := json.Marshal(m.user)
	b := append([]byte(`{"event":"`+event+`","user":`), user...)
	if m.Meta != nil {
		b = append(append(b, `,"meta":`...), m.Meta...)
	}
	b = append(b, `,"num_users":`...)
	return append(strconv.AppendInt(b, int64(len(s.members.users)), 10), '}')
}

// errorFrame answers a frame; n is its number, or 0.
func errorFrame(status int, message string, n int64) []byte {
	text, _ := json.Marshal(message)
	b := append([]byte(`{"event":"`+websocket.Error+`","message":`), text...)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
	if n > 0 {
		b = strconv.AppendInt(append(b, `,"n":`...), n, 10)
	}
	return append(b, '}')
}

// numbered is a frame with its number, the last field, so that it counts if the frame has one of that name.
func numbered(text []byte, seq int64) []byte {
	b := make([]byte, 0, len(text)+24)
	b = append(append(b, text[:len(text)-1]...), `,"seq":`...)
	return append(strconv.AppendInt(b, seq, 10), '}')
}

var errFrame = errors.New("a message is an object with a text in the field event, which JSON can hold, nested up to " + strconv.Itoa(websocket.MaxDepth) + " deep")

// encode makes a frame of what an author sends: JSON as it is, anything else as json.Marshal has it.
func encode(v any) (websocket.Message, error) {
	var text []byte
	switch v := v.(type) {
	case websocket.Message:
		text = v.Text
	case json.RawMessage:
		text = v
	default:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(plain(v)); err != nil {
			return websocket.Message{}, errors.Join(errFrame, err)
		}
		text = b.Bytes()
	}
	text = bytes.TrimSpace(text)
	m, err := websocket.ParseMessage(text)
	if err != nil {
		return m, errFrame
	}
	return m, nil
}
