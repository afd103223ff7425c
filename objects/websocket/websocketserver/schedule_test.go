package websocketserver_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket/websocketserver"
)

// step does one thing that can happen, and returns a promise that it broke.
func (w *world) step() (err error) {
	w.links = slices.DeleteFunc(w.links, func(l *link) bool { return l.gone && l.cut })
	if w.r.IntN(4) == 0 {
		return w.readers[w.r.IntN(len(w.readers))].step()
	}
	c := w.clients[w.r.IntN(len(w.clients))]
	var l *link
	if len(w.links) > 0 {
		l = w.links[w.r.IntN(len(w.links))]
	}
	do := func(name string, f func()) {
		w.steps[name]++
		f()
	}
	if w.wood != nil && w.r.IntN(4) == 0 {
		do("queue", func() { w.must(w.o.work) })
		return nil
	}
	switch p := w.r.IntN(1000); {
	case p < 350 && l != nil && len(l.up) > 0:
		do("arrive", func() { w.arrive(l) })
	case p < 650 && l != nil && !l.cut:
		do("pull", func() { err = w.pull(l) })
	case p < 700 && c.link == nil:
		do("connect", func() { w.connect(c) })
	case p < 800:
		do("publish", func() { c.publish([]string{"chat", "tell"}[w.r.IntN(2)]) })
	case p < 830:
		do("post", w.post)
	case p < 840:
		do("double", c.again)
	case p < 845 && c.link != nil: // the old one is still open at the other end
		do("reconnect", func() {
			w.cut(c.link)
			w.connect(c)
		})
	case p < 860 && l != nil:
		do("drop", func() { w.cut(l) })
	case p < 890 && l != nil && l.cut && !l.gone:
		do("notice", func() { w.notice(l) })
	case p < 900:
		do("evict", func() { w.must(func() { _ = w.o.start() }) })
	case p < 905:
		do("restart", func() {
			w.restart()
		})
	case p < 915 && l != nil && len(l.up) > 0:
		do("die", func() {
			w.o.dies = []death{beforeCommit, insideTx, afterTx}[w.r.IntN(3)]
			w.arrive(l)
		})
	case p < 930 && l != nil && len(l.up) > 0:
		do("overtake", func() {
			w.o.afterCommit = w.post
			w.arrive(l)
		})
	case p < 935:
		do("wait", func() { w.must(func() { w.o.advance(time.Duration(w.r.IntN(30)) * time.Second) }) })
	case p < 950 && w.wood != nil:
		w.stepLeaves(do)
	case p < 970 && c.open:
		do("ack", func() { c.send(fmt.Sprintf(`{"event":"session:ack","seq":%d}`, c.last)) })
	case l != nil && !l.cut:
		w.harm(l)
	}
	return err
}

// harm applies the defect, where it can be.
func (w *world) harm(l *link) {
	message := func(i int) bool {
		return i < len(l.down) && strings.Contains(l.down[i], `"seq"`) && !strings.Contains(l.down[i], "session:")
	}
	switch {
	case w.defect == losing && message(0) && message(1):
		l.down = l.down[1:]
	case w.defect == swapping && message(0) && message(1):
		l.down[0], l.down[1] = l.down[1], l.down[0]
	case w.defect == doubling && w.applied == 0 && l.client.open && l.client.before.n > 0 && len(l.client.pending) == 0:
		w.o.exec(`UPDATE websocket_sessions SET handled = handled - 1 WHERE handled > 0`)
		l.client.again()
	default:
		return
	}
	w.applied++
}

// play runs the schedule of a seed on a room, whose tables it empties.
func play(t testing.TB, o *object, seed uint64, d defect) (w *world, err error) {
	return playWorld(t, o, nil, seed, d)
}

func playWorld(t testing.TB, o *object, k *wood, seed uint64, d defect) (w *world, err error) {
	for _, table := range []string{"websocket_log", "websocket_sessions", "websocket_unsent", "durago_alarms", "truth"} {
		_, _, _ = o.DB.Exec(`DELETE FROM `+table, nil)
	}
	o.exec(`CREATE TABLE IF NOT EXISTS truth (seq INTEGER, text TEXT, kind TEXT)`)
	o.sockets, o.Alarm.At, o.Logged = nil, nil, nil
	w = newWorld(t, o, k, seed)
	w.defect = d
	for range 60 + w.r.IntN(140) {
		if err := w.step(); err != nil {
			return w, err
		}
	}
	w.defect = sound
	if k != nil {
		k.fault = fine
	}
	if err := w.heal(); err != nil {
		return w, err
	}
	return w, w.verdict()
}

// schedules is how many are played.
func schedules(t testing.TB) int {
	s := os.Getenv("DURAGO_SCHEDULES")
	if s == "" {
		return 2000
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// TestSchedules: over connections that drop, delay and double, and isolates and hosts that end, everybody sees every
// message once and in order, or is told which it cannot see; and every message is handled once. DURAGO_SCHEDULES is how
// many schedules are played, 2,000.
func TestSchedules(t *testing.T) {
	n := schedules(t)
	synctest.Test(t, func(t *testing.T) {
		rooms := []*object{newObject(t, chat(websocketserver.Recovery{})), newObject(t, chat(websocketserver.Recovery{InTurn: true}))}
		total := map[string]int{}
		seen, gaps, doubt, slow := 0, 0, 0, 0
		for seed := range n {
			w, err := play(t, rooms[seed%2], uint64(seed), sound)
			require.NoError(t, err, "seed %d", seed)
			for k, v := range w.steps {
				total[k] += v
			}
			for _, c := range w.clients {
				seen, gaps, doubt = seen+len(c.got), gaps+len(c.gaps), doubt+len(c.doubt)
			}
			slow += w.slow
		}
		t.Logf("%d schedules: %d messages seen, %d gaps reported, %d in doubt, %d too slow; %v", n, seen, gaps, doubt, slow, total)
	})
}

// TestSchedules_defects: each defect is caught.
func TestSchedules_defects(t *testing.T) {
	for d, name := range map[defect]string{losing: "losing", doubling: "doubling", swapping: "swapping"} {
		for _, inTurn := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " in a turn ", inTurn), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := newObject(t, chat(websocketserver.Recovery{InTurn: inTurn}))
					applied, caught := 0, 0
					for seed := range 300 {
						w, err := play(t, o, uint64(seed), d)
						if w.applied == 0 {
							require.NoError(t, err, "seed %d", seed)
							continue
						}
						applied++
						if err != nil {
							caught++
						}
					}
					t.Logf("%d schedules with the defect, %d caught", applied, caught)
					require.Greater(t, applied, 20)
					require.Greater(t, caught, applied/2, "a connection that drops right after can undo it")
				})
			})
		}
	}
}
