package websocketserver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/objects/websocket"
	"durago.example/objects/websocket/websocketserver/recovery"
)

const treeSchema = `
	CREATE TABLE IF NOT EXISTS websocket_leaves (
		leaf    INTEGER PRIMARY KEY,
		binding TEXT NOT NULL,
		object  TEXT NOT NULL,   -- its name
		lost    INTEGER NOT NULL -- the code with which it is to close all its sockets, or 0
	);
	-- A row while frames of the log are queued for leaves.
	CREATE TABLE IF NOT EXISTS websocket_queued (generation INTEGER PRIMARY KEY)`

// placeFor is how long a place is kept for a client that has been given it.
const placeFor = 10 * time.Second

func newTree() tree { return tree{instance: recovery.NewID(), byLeaf: map[int64]*branch{}} }

// place says where the next client goes: with the room itself, then on the first leaf that has room. Those who have been
// given a place count until they come, or for ten seconds.
func (s *Server) place(ctx context.Context, leaves string, perLeaf int64, room string) (leaf int64, err error) {
	if perLeaf < 1 || !websocket.ValidRoom(room) {
		return 0, refused(websocket.InvalidPlace, "a leaf has one socket or more, and a room a name: got %d and %q", perLeaf, room)
	}
	if err := s.bound(ctx, leaves); err != nil {
		return 0, err
	}
	now := s.now()
	s.tree.here = pending(s.tree.here, now)
	own := len(s.members.byConn)
	all := own + len(s.tree.here)
	for _, b := range s.tree.branches {
		b.reserved = pending(b.reserved, now)
		own -= b.count
		all += len(b.reserved)
	}
	if int64(own+len(s.tree.here)) < perLeaf || all >= s.config.MaxSessions { // which the room refuses itself
		s.tree.here = append(s.tree.here, now+placeFor.Milliseconds())
		return 0, nil
	}
	for leaf = 1; ; leaf++ {
		b := s.tree.byLeaf[leaf]
		if b == nil {
			if b, err = s.grow(ctx, leaf, leaves, room); err != nil {
				return 0, err
			}
		}
		if b.lost == 0 && int64(b.count+len(b.reserved)) < perLeaf {
			b.reserved = append(b.reserved, now+placeFor.Milliseconds())
			return leaf, nil
		}
	}
}

// bound tells whether there is such a binding here: a room that is still small does not need it yet.
func (s *Server) bound(ctx context.Context, leaves string) error {
	if s.tree.binding == leaves && leaves != "" {
		return nil
	}
	if _, err := objects.NamespaceOf(ctx, leaves).IDFromName("1"); err != nil {
		return refused(websocket.InvalidPlace, "Options.Leaves is %q, but the worker of the room's class has no such binding: "+
			"add a durable_objects binding of that name, of the class that websocketserver.LeafClass makes (%v)", leaves, err)
	}
	s.tree.binding = leaves
	return nil
}

// pending are the places that have not expired.
func pending(list []int64, now int64) []int64 {
	i := slices.IndexFunc(list, func(at int64) bool { return at > now })
	if i < 0 {
		return nil
	}
	return list[i:]
}

// arrived takes a place off the list.
func arrived(list []int64) []int64 { return list[min(1, len(list)):] }

// grow adds a leaf.
func (s *Server) grow(ctx context.Context, leaf int64, binding, room string) (*branch, error) {
	b := &branch{leaf: leaf, binding: binding, object: websocket.LeafName(room, leaf)}
	sql := s.state.Storage().SQL()
	if _, err := sql.Exec(treeSchema); err != nil {
		return nil, err
	}
	if _, err := sql.Exec(`INSERT OR REPLACE INTO websocket_leaves VALUES (?, ?, ?, 0)`, leaf, binding, b.object); err != nil {
		return nil, err
	}
	s.tree.add(b)
	return b, nil
}

func (t *tree) add(b *branch) {
	t.byLeaf[b.leaf] = b
	t.branches = append(t.branches, b)
}

// prune forgets leaves that nobody is on.
func (s *Server) prune(ctx context.Context) {
	now := s.now()
	kept := make([]*branch, 0, len(s.tree.branches))
	for _, b := range s.tree.branches {
		if b.reserved = pending(b.reserved, now); b.count > 0 || len(b.reserved) > 0 || b.lost != 0 || b.pump != nil || len(b.queue) > 0 {
			kept = append(kept, b)
			continue
		}
		if _, err := s.state.Storage().SQL().Exec(`DELETE FROM websocket_leaves WHERE leaf = ?`, b.leaf); err != nil {
			s.state.Logf(ctx, "websocketserver: leaf %d: %v", b.leaf, err)
			kept = append(kept, b)
			continue
		}
		delete(s.tree.byLeaf, b.leaf)
	}
	s.tree.branches = kept
}

// branches reads which leaves there were, and whether something was queued for them.
func (s *Server) branches() error {
	for cells, err := range objects.Query[[]any](s.state.Storage().SQL(), `SELECT leaf, binding, object, lost FROM websocket_leaves ORDER BY leaf`) {
		var e *objects.Error
		if errors.As(err, &e) && strings.HasPrefix(e.Message, "no such table: websocket_leaves") {
			return nil
		}
		if err != nil {
			return err
		}
		b := &branch{leaf: whole(cells[0]), lost: int(whole(cells[3])), reason: reasonRestarted}
		b.binding, _ = cells[1].(string)
		b.object, _ = cells[2].(string)
		s.tree.add(b)
	}
	if len(s.tree.branches) == 0 {
		return nil
	}
	last, err := objects.One[int64](s.state.Storage().SQL(), `SELECT coalesce(max(generation), -1) FROM websocket_queued`)
	if last >= 0 {
		s.tree.generation, s.tree.marked, s.tree.dropped = last, true, true
	}
	return err
}
