//go:build !js

package wsclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// frame is what the client itself reads of a frame.
type frame struct {
	event, id, token, message string
	resumed                   bool
	seq, n, from, to, status  int64
}

// readFrame reads a frame; ok is false if it is no JSON object. Names of fields are compared exactly, and of two of one name
// the last counts, as in a room and in JavaScript: encoding/json would take what a client calls EVENT for the event.
func readFrame(text []byte) (f frame, ok bool) {
	ok = fields(text, func(name string, v []byte) {
		switch name {
		case "event":
			f.event = str(v)
		case "ws_session_id":
			f.id = str(v)
		case "token":
			f.token = str(v)
		case "message":
			f.message = str(v)
		case "resumed":
			f.resumed = string(v) == "true"
		case "seq":
			f.seq = whole(v)
		case "n":
			f.n = whole(v)
		case "from":
			f.from = whole(v)
		case "to":
			f.to = whole(v)
		case "status":
			f.status = whole(v)
		}
	})
	return f, ok
}

func str(v []byte) (s string) {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	if plain := v[1 : len(v)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain)
	}
	_ = json.Unmarshal(v, &s)
	return s
}

func whole(v []byte) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// fields calls f for each field of an object, with its value as it is written; false if the text is no object. What is inside
// the values is not looked at closely: a room has read it before.
func fields(text []byte, f func(name string, v []byte)) bool {
	b := bytes.TrimSpace(text)
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return false
	}
	for b = space(b[1:]); len(b) > 0 && b[0] == '"'; {
		end := value(b)
		name := str(trim(b[:end]))
		b = space(b[end:])
		if len(b) == 0 || b[0] != ':' {
			return false
		}
		b = space(b[1:])
		end = value(b)
		f(name, trim(b[:end]))
		b = space(b[end:])
		if len(b) > 0 && b[0] == ',' {
			b = space(b[1:])
		} else {
			break
		}
	}
	return len(b) == 1
}

func space(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }
func trim(b []byte) []byte  { return bytes.TrimRight(b, " \t\r\n") }

// value is how long the value is that b begins with: up to the comma, the colon or the brace behind it.
func value(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

var errReserved = errors.New("wsclient: n is the protocol's own field: use another name")

// appendFrame makes a frame of an event and v, which json.Marshal must make an object or null of. Its last brace is left out.
func appendFrame(event string, v any) ([]byte, error) {
	if event == "" {
		return nil, errors.New("wsclient: an event has a name")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("wsclient: event %s: %w", event, err)
	}
	if string(text) == "null" {
		text = []byte("{}")
	}
	reserved := false
	if !fields(text, func(name string, _ []byte) { reserved = reserved || name == "n" }) {
		return nil, fmt.Errorf("wsclient: event %s: its fields must be an object, got %.40s", event, text)
	}
	if reserved {
		return nil, errReserved
	}
	name, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("wsclient: event %q: %w", event, err)
	}
	text = text[:len(text)-1]
	if len(text) > 1 {
		text = append(text, ',')
	}
	return append(append(text, `"event":`...), name...), nil
}

// units is how long a text is as a room counts, which is as JavaScript does.
func units(text []byte) (n int) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}
