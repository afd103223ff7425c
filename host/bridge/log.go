package bridge

import (
	"fmt"

	"durago.example/wasm/abi"
)

// Line is one line of the log.
type Line struct {
	Level       int    // of wasm/abi: 0 debug to 3 error
	Class, Name string // of the object, by its id if no name is known; "front" and empty if there is none
	Event       string // its kind, or empty
	ID          string // of the event: no two of a process have the same; empty if there is none
	Trace       string // that the event's request belongs to, as TraceID has it
	Text        string
}

// say logs a line of the guest's once what the object wrote before is durable. If it never will be the line says so: for
// whoever looks for the reason it is worth more than nothing.
func (b *Bridge) say(s *scope, level int, ev uint32, text string) {
	if b.o.Log == nil {
		return
	}
	if s == nil {
		b.log(s, level, ev, text)
		return
	}
	e := b.events[ev]
	s.output(func(err error) {
		if err != nil {
			text = "undone: " + text
		}
		b.write(s, level, e, text)
	})
}

func (b *Bridge) log(s *scope, level int, ev uint32, text string) {
	b.write(s, level, b.events[ev], text)
}

// write is given the event, or nil.
func (b *Bridge) write(s *scope, level int, e *event, text string) {
	if b.o.Log == nil {
		return
	}
	l := Line{Level: level, Class: "front", Text: text}
	if s != nil && s.object != nil {
		l.Class = s.object.Namespace().Class
		if n, ok := s.object.Name(); ok {
			l.Name = n
		} else {
			l.Name = s.object.ID()
		}
	}
	if e != nil {
		l.Event, l.ID = eventNames[e.kind], fmt.Sprintf("%d.%d.%d", b.o.Loop, b.number, e.id-abi.FirstEvent+1)
		if e.request != nil {
			l.Trace = TraceID(Header(e.request.Header))
		}
	}
	b.o.Log(l)
}

var eventNames = map[abi.Event]string{abi.EventConstruct: "constructor", abi.EventFetch: "fetch", abi.EventRPC: "rpc", abi.EventAlarm: "alarm",
	abi.EventSocketMessage: "message", abi.EventSocketClose: "close", abi.EventSocketError: "error", abi.EventScheduled: "scheduled",
	abi.EventTarget: "target", abi.EventService: "service"}
