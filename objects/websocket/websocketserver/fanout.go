package websocketserver

import (
	"context"
	"slices"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
)

// Bounds of what waits for a leaf, and of one call to it.
const (
	maxQueue      = 8192    // frames
	maxQueueBytes = 8 << 20 // of them
	maxBatch      = 256
	maxCalls      = 100 // of one event
	maxBatchBytes = 1 << 20
	callTimeout   = 30 * time.Second
	askTimeout    = 5 * time.Second
)

// What a client is told that must come back.
const (
	closeRestarted  = 1012
	reasonRestarted = "restarted: resume"
)

// tree is the room's leaves.
type tree struct {
	instance   string // of the room, since it is in memory
	branches   []*branch
	byLeaf     map[int64]*branch
	binding    string  // of the leaves; it is known to be there
	here       []int64 // when places with the room itself expire that were given and not taken
	generation int64   // of the mark that is written next
	marked     bool    // one is in the database
	dropped    bool    // the last instance has left a mark
}

// branch is a leaf as the room knows it.
type branch struct {
	leaf     int64
	binding  string
	object   string  // its name
	instance string  // the last that has spoken
	count    int     // its connections
	reserved []int64 // when places expire that were given and not taken

	queue  []command
	bytes  int
	list   []*remote // while a frame's recipients are gathered
	groups [groups][]*remote
	next   int           // the group that is replaced next
	pump   chan struct{} // closed when the goroutine that empties the queue ends; nil if there is none
	calls  int           // that it has made
	lost   int           // the code with which it is to close all its sockets, or 0
	reason string
	stub   *objects.Stub
}

// command is an order whose recipients have no names yet.
type command struct {
	to     []*remote
	frame  []byte
	binary bool
	code   int // to close with
	reason string
}

// push queues a command.
func (s *Server) push(b *branch, c command) {
	switch {
	case b.lost != 0:
	case len(b.queue) >= maxQueue || b.bytes+len(c.frame) > maxQueueBytes && len(b.queue) > 0:
		s.state.Logf(s.state.Context(), "websocketserver: leaf %d is too slow: %d frames of %d bytes wait for it", b.leaf, len(b.queue), b.bytes)
		b.lose(websocket.CloseSlow, "too much waits for the leaf: resume")
		s.state.WaitUntil(func(ctx context.Context) error { // not now: the sender goes through the members
			s.abandon(ctx, b)
			return nil
		})
	default:
		b.queue = append(b.queue, c)
		b.bytes += len(c.frame)
		s.start(b)
	}
}

// start has a goroutine empty the queue. What an event may call is bounded: one that has called much is followed by
// another, of the event that runs now.
func (s *Server) start(b *branch) {
	if b.pump != nil && b.calls < maxCalls {
		return
	}
	before, own := b.pump, make(chan struct{})
	b.pump, b.calls = own, 0
	s.state.WaitUntil(func(ctx context.Context) error {
		defer close(own)
		if before != nil {
			<-before
		}
		s.empty(ctx, b, own)
		return nil
	})
}

// empty has a leaf do what is queued for it, a batch at a time, until nothing is, or another goroutine wants to.
func (s *Server) empty(ctx context.Context, b *branch, own chan struct{}) {
	defer func() {
		if b.pump == own {
			b.pump = nil
		}
	}()
	for b.pump == own {
		switch {
		case b.lost != 0:
			s.abandon(ctx, b)
			if !s.reset(ctx, b) {
				b.pump = nil
				s.settle(ctx)
				return
			}
		case len(b.queue) > 0:
			s.carry(ctx, b)
		default:
			b.pump = nil
			s.settle(ctx)
			return
		}
	}
}

// carry has the leaf do the next batch.
func (s *Server) carry(ctx context.Context, b *branch) {
	n, size := 0, 0
	for n < len(b.queue) && n < maxBatch && (n == 0 || size+len(b.queue[n].frame) <= maxBatchBytes) {
		size += len(b.queue[n].frame)
		n++
	}
	list := b.queue[:n:n]
	for range 3 {
		r, err := s.call(ctx, b, &batch{Orders: b.orders(list)})
		switch {
		case b.lost != 0: // meanwhile
			return
		case err != nil:
			s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, err)
			b.lose(closeRestarted, reasonRestarted)
			return
		case !r.Again:
			b.queue, b.bytes = slices.Delete(b.queue, 0, n), b.bytes-size
			s.gone(ctx, b, r.Gone)
			return
		}
	}
	b.lose(closeRestarted, reasonRestarted)
}

// call calls the leaf, which is another after an eviction.
func (s *Server) call(ctx context.Context, b *branch, t *batch) (*done, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	b.calls++
	t.Room, t.Instance = s.tree.instance, b.instance
	r, err := leafDo.Call(ctx, b.caller(ctx), t)
	if err == nil && r == nil {
		err = errNothing
	}
	if err != nil {
		b.stub = nil
		return nil, err
	}
	b.speaks(r.Instance)
	return r, nil
}

// caller is a stub of the leaf. The old one of a leaf that has failed would keep failing.
func (b *branch) caller(ctx context.Context) *objects.Stub {
	if b.stub == nil {
		b.stub = objects.NamespaceOf(ctx, b.binding).GetByName(b.object)
	}
	return b.stub
}

// orders are commands as the leaf takes them. Lists of several recipients are mostly those of the frame before: the leaf
// remembers some, until it leaves memory.
func (b *branch) orders(list []command) []order {
	out := make([]order, len(list))
	for i, c := range list {
		o := order{Frame: c.frame, Binary: c.binary, Close: int64(c.code), Reason: c.reason}
		group := -1
		if len(c.to) > 1 {
			group = slices.IndexFunc(b.groups[:], func(g []*remote) bool { return slices.Equal(g, c.to) })
			o.Group = int64(group) + 1
		}
		if group < 0 {
			o.To = make([]string, len(c.to))
			for j, r := range c.to {
				o.To[j] = r.conn
			}
			if len(c.to) > 1 {
				b.groups[b.next] = c.to
				o.Group = int64(b.next) + 1
				b.next = (b.next + 1) % groups
			}
		}
		out[i] = o
	}
	return out
}

// speaks learns which instance of the leaf there is. A new one knows no groups.
func (b *branch) speaks(instance string) {
	if b.instance != instance {
		b.instance, b.groups = instance, [groups][]*remote{}
	}
}

// gone has the sessions leave whose sockets a leaf does not have.
func (s *Server) gone(ctx context.Context, b *branch, conns []string) {
	for _, conn := range conns {
		if m := s.at(b, conn); m != nil {
			s.suspend(ctx, m)
			s.leave(ctx, m)
		}
	}
}

// at is the session of a leaf's connection, or nil.
func (s *Server) at(b *branch, conn string) *Session {
	if m := s.members.byConn[conn]; m != nil {
		if r, ok := m.ws.(*remote); ok && r.branch == b {
			return m
		}
	}
	return nil
}

// on are the sessions on a leaf, the oldest first; those that are not open yet come last.
func (s *Server) on(b *branch) (list []*Session) {
	if b.count == 0 {
		return nil
	}
	for _, m := range s.members.list {
		if r, ok := m.ws.(*remote); ok && r.branch == b {
			list = append(list, m)
		}
	}
	for conn, m := range s.members.byConn {
		if s.members.byID[m.ID] != m && s.at(b, conn) != nil {
			list = append(list, m)
		}
	}
	return list
}

// lose gives up what is queued. What the leaf has done of it, and whether its sockets have all that was sent before,
// cannot be told any more: they will be closed.
func (b *branch) lose(code int, reason string) {
	b.lost, b.reason = code, reason
	b.queue, b.bytes = nil, 0
}

// abandon has everybody leave who is on a lost leaf. That it is lost outlasts this instance of the room: the next must not
// take the sockets over.
func (s *Server) abandon(ctx context.Context, b *branch) {
	if _, err := s.state.Storage().SQL().Exec(`UPDATE websocket_leaves SET lost = ? WHERE leaf = ?`, b.lost, b.leaf); err != nil {
		s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, err)
	}
	for list := s.on(b); len(list) > 0; list = s.on(b) {
		for _, m := range list {
			s.suspend(ctx, m)
			s.leave(ctx, m)
		}
	}
}

// reset has a lost leaf close all its sockets; false if it does not answer. The alarm tries again.
func (s *Server) reset(ctx context.Context, b *branch) bool {
	for _, wait := range []time.Duration{0, 100 * time.Millisecond, time.Second, 5 * time.Second} {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
		b.instance = "" // whichever there is
		_, err := s.call(ctx, b, &batch{Close: int64(b.lost), Reason: b.reason})
		if err == nil {
			b.lost = 0
			if _, err := s.state.Storage().SQL().Exec(`UPDATE websocket_leaves SET lost = 0 WHERE leaf = ?`, b.leaf); err != nil {
				s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, err)
			}
			return true
		}
		s.state.Logf(ctx, "websocketserver: leaf %d, which is lost: %v", b.leaf, err)
	}
	return false
}

// promised says that the next frame to sessions is one that they would miss.
func (s *Server) promised(to []*Session) {
	if len(s.tree.branches) == 0 {
		return
	}
	for _, m := range to {
		if r, ok := m.ws.(*remote); ok {
			s.mark(r.branch)
			return
		}
	}
}

// mark notes, with the writes of the event, that a leaf is about to be told what must not be lost: a frame of the log, or
// to close a socket. The isolate may end before it is told: then the next instance closes all sockets of the leaves, see
// dropQueued.
func (s *Server) mark(b *branch) {
	if b.lost != 0 {
		return // noted already
	}
	s.tree.marked = true
	if _, err := s.state.Storage().SQL().Exec(`INSERT OR IGNORE INTO websocket_queued VALUES (?)`, s.tree.generation); err != nil {
		s.state.Logf(s.state.Context(), "websocketserver: mark the queue: %v", err)
	}
}

// settle takes the mark away when nothing is queued. One of a later generation stays, should the statement have to wait.
func (s *Server) settle(ctx context.Context) {
	if !s.tree.marked || slices.ContainsFunc(s.tree.branches, func(b *branch) bool { return len(b.queue) > 0 || b.lost != 0 && b.count > 0 }) {
		return
	}
	s.tree.marked = false
	s.tree.generation++
	if _, err := s.state.Storage().SQL().Exec(`DELETE FROM websocket_queued WHERE generation < ?`, s.tree.generation); err != nil {
		s.state.Logf(ctx, "websocketserver: unmark the queue: %v", err)
	}
}

// dropQueued gives the leaves up if the isolate ended with frames queued for them: they close all their sockets, and what
// is missing their clients get when they resume.
func (s *Server) dropQueued() {
	if !s.tree.dropped {
		return
	}
	for _, b := range s.tree.branches {
		if b.lost == 0 {
			b.lose(closeRestarted, reasonRestarted)
		}
	}
	for _, b := range s.tree.branches {
		s.abandon(s.state.Context(), b)
		s.start(b)
	}
	s.settle(s.state.Context())
}
