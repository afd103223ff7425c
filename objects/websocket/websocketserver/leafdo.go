package websocketserver

import (
	"context"
	"slices"
	"strings"
	"time"

	"durago.example/objects"
)

// checkEvery is how long a leaf waits for a word of its room before it asks.
const checkEvery = 5 * time.Minute

// do does what the room orders, in order.
func (l *leaf) do(_ context.Context, b *batch) (*done, error) {
	if b == nil {
		return nil, errNothing
	}
	out := &done{Instance: l.instance}
	if b.Instance != "" && b.Instance != l.instance {
		out.Again = true
		return out, nil
	}
	l.hears(b.Room)
	if b.Close != 0 {
		for _, c := range l.conns {
			l.end(c, int(b.Close), b.Reason)
		}
	}
	for _, o := range b.Orders {
		list := l.recipients(o, out)
		switch {
		case o.Close != 0:
			for _, c := range list {
				l.close(c, o)
			}
		default:
			l.send(list, o, out)
		}
	}
	return out, nil
}

func (l *leaf) hears(room string) { l.speaker, l.told = room, time.Now() }

// recipients are those of an order.
func (l *leaf) recipients(o order, out *done) []*held {
	known := o.Group >= 1 && o.Group <= groups
	if len(o.To) == 0 {
		if !known {
			return nil
		}
		return l.groups[o.Group-1]
	}
	list := make([]*held, 0, len(o.To))
	for _, conn := range o.To {
		if c := l.conns[conn]; c != nil {
			list = append(list, c)
		} else if o.Close == 0 {
			out.Gone = append(out.Gone, conn)
		}
	}
	if known {
		l.groups[o.Group-1] = list
	}
	return list
}

// close closes a socket, when it is there.
func (l *leaf) close(c *held, o order) {
	if c.ws == nil {
		c.orders = append(c.orders, o)
		return
	}
	l.end(c, int(o.Close), o.Reason)
}

// send sends a frame to those who are there; for the others it waits.
func (l *leaf) send(list []*held, o order, out *done) {
	sockets := make([]*objects.WebSocket, 0, len(list))
	for _, c := range list {
		if c.ws == nil {
			c.orders = append(c.orders, order{Frame: o.Frame, Binary: o.Binary})
		} else {
			sockets = append(sockets, c.ws)
		}
	}
	frame := objects.Message{Data: o.Frame, Text: !o.Binary}
	switch {
	case len(sockets) == 0:
	case len(list) == 1:
		if sockets[0].Send(frame) != nil {
			out.Gone = append(out.Gone, list[0].is.Conn)
		}
	default:
		_ = l.state.Broadcast(sockets, frame) // of those that are closed the runtime tells
	}
}

// list says what the leaf has.
func (l *leaf) list(_ context.Context, b *batch) (*listed, error) {
	if b == nil {
		return nil, errNothing
	}
	l.hears(b.Room)
	out := &listed{Instance: l.instance, Conns: make([]connection, 0, len(l.conns)), Joining: []string{}}
	for conn, c := range l.conns {
		if c.ws == nil {
			out.Joining = append(out.Joining, conn)
			continue
		}
		n := connection{Conn: conn, Kept: c.is.Kept, Version: c.is.Version}
		if at, ok, err := c.ws.LastAutoResponse(); err == nil && ok {
			n.Pinged = at.UnixMilli()
		}
		out.Conns = append(out.Conns, n)
	}
	slices.SortFunc(out.Conns, func(a, b connection) int { return strings.Compare(a.Conn, b.Conn) })
	return out, nil
}

// arm sets the alarm, while there are sockets.
func (l *leaf) arm(ctx context.Context) {
	if l.armed {
		return
	}
	_, ok, err := l.state.Storage().Alarm(ctx)
	if err == nil && !ok {
		err = l.state.Storage().SetAlarm(ctx, time.Now().Add(checkEvery))
	}
	l.armed = err == nil
	if err != nil {
		l.state.Logf(ctx, "websocketserver: alarm: %v", err)
	}
}

// Alarm asks the room which connections it knows, if it has not spoken for long: it may have forgotten the leaf.
func (l *leaf) Alarm(ctx context.Context, _ objects.AlarmInfo) error {
	l.armed = false
	if time.Since(l.told) >= checkEvery {
		l.check(ctx)
	}
	if len(l.conns) > 0 {
		l.arm(ctx)
	}
	return nil
}

func (l *leaf) check(ctx context.Context) {
	var conns []string
	for conn, c := range l.conns {
		if c.ws != nil {
			conns = append(conns, conn)
		}
	}
	if len(conns) == 0 {
		return
	}
	unknown, err := leafCheck.Call(ctx, l.caller(ctx), &checked{l.ref(), conns})
	if err != nil {
		l.failed(ctx, "check", err) // the next alarm asks again
		return
	}
	for _, conn := range unknown.Conns {
		if c := l.conns[conn]; c != nil {
			l.end(c, closeRestarted, reasonRestarted)
		}
	}
}
