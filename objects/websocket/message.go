package websocket

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"durago.example/objects/internal/nesting"
)

// Message is a client's frame.
type Message struct {
	Event string
	// Text is the whole frame, the text of a JSON object. It belongs to the receiver.
	Text json.RawMessage
	// Key names the message, the same however often it was sent: for calls that must not be doubled. Empty if the client
	// has not numbered it.
	Key    string
	fields map[string]json.RawMessage
}

// Errors of ParseMessage.
var (
	ErrParse   = errors.New("websocket: the message is no JSON")
	ErrNoEvent = errors.New("websocket: the message is no object with a text in event")
	ErrDeep    = fmt.Errorf("websocket: the message is nested deeper than %d", MaxDepth)
)

// MaxDepth is how deep a frame's lists and objects may be nested, itself included, and those of metadata: what reads them
// into Go's values then comes to no end of its stack, which on Workers would be the isolate's.
const MaxDepth = nesting.Most

// ParseMessage reads a frame: ErrParse if it is no JSON, ErrNoEvent if it is no object with a text in event, ErrDeep if
// there is too much within each other. Names of
// fields are compared exactly; of two fields of one name the last counts.
func ParseMessage(text []byte) (Message, error) {
	m := Message{Text: text}
	if err := json.Unmarshal(text, &m.fields); err != nil {
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) {
			return m, ErrNoEvent
		}
		return m, ErrParse
	}
	if nesting.Of(text) > MaxDepth {
		return m, ErrDeep
	}
	if err := json.Unmarshal(m.fields["event"], &m.Event); err != nil || m.Event == "" {
		return m, ErrNoEvent
	}
	return m, nil
}

// Decode reads the whole frame into v, a pointer, as json.Unmarshal does: a number that v cannot hold is an error, and a client
// may write 1e400, which is JSON.
func (m Message) Decode(v any) error { return json.Unmarshal(m.Text, v) }

// Has tells whether the frame has a field.
func (m Message) Has(field string) bool { return m.fields[field] != nil }

// String is the text in a field; ok is false if it holds none.
func (m Message) String(field string) (s string, ok bool) {
	raw := m.fields[field]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// Number is the number in a field: a whole one from 0 to MaxNumber, written in digits alone; ok is false if it holds none.
func (m Message) Number(field string) (n int64, ok bool) {
	raw := string(m.fields[field])
	if raw == "" || raw[0] < '0' || raw[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	return n, err == nil && n <= MaxNumber
}

// Field is a field as it was sent, or nil.
func (m Message) Field(name string) json.RawMessage { return m.fields[name] }
