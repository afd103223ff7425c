package websocketserver_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket/websocketserver"
	"durago.example/wasm/value"
)

// fault is what befalls the next call between a room and a leaf.
type fault int

const (
	fine      fault = iota
	away            // it does not arrive
	unheard         // its answer does not
	endBefore       // the caller's isolate ends instead of it
	endAfter        // and after it
	anew            // the called object was out of memory
	overtaken       // a message of another object comes while it is under way
)

// restart has the host end, and everything begin again.
func (w *world) restart() {
	w.hangUp(w.o)
	if w.wood != nil {
		for _, l := range w.wood.leaves {
			w.hangUp(l)
			w.must(func() { _ = l.start() })
		}
	}
	w.must(func() { _ = w.o.start() })
}

// stepLeaves does one thing that can happen where there are leaves.
func (w *world) stepLeaves(do func(name string, f func())) {
	switch {
	case w.r.IntN(4) == 0 && len(w.wood.leaves) > 0:
		do("leaf", func() { _ = w.wood.some(w).start() })
	default:
		f := fault(1 + w.r.IntN(6))
		do("fault "+string('0'+rune(f)), func() { w.wood.fault = f })
	}
}

// some is a leaf, the same for the same seed.
func (k *wood) some(w *world) *object {
	names := make([]string, 0, len(k.leaves))
	for name := range k.leaves {
		names = append(names, name)
	}
	slices.Sort(names)
	return k.leaves[names[w.r.IntN(len(names))]]
}

var errAway = errors.New("the network is away")

// between is each call of a room and its leaves.
func (w *world) between(k call) (b []byte, err error) {
	f := w.wood.fault
	w.wood.fault = fine
	if k.from.alarming && (f == endBefore || f == endAfter) { // package alarms would take it for a panic of the handler
		f = away
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case died:
			if p.o != k.to {
				panic(p) // it is the caller's
			}
			w.again(p)
			err = errors.New("the isolate has ended")
		default:
			panic(p)
		}
	}()
	switch f {
	case away:
		return nil, errAway
	case endBefore:
		k.from.end()
	case anew:
		if k.to.depth == 0 {
			w.must(func() { _ = k.to.start() })
		}
	case overtaken:
		if k.from == w.o && w.o.depth == 1 && w.o.instance != nil {
			w.must(w.post)
		}
	}
	b, err = w.spoiled(k)
	switch f {
	case unheard:
		return nil, errAway
	case endAfter:
		k.from.end()
	}
	return b, err
}

// end ends an isolate that waits.
func (o *object) end() {
	o.dies = atCall
	o.die()
}

// spoiled is a call to which the defect is done, where it can be.
func (w *world) spoiled(k call) ([]byte, error) {
	message := []byte(`"event":"chat"`)
	if k.method != "leafDo" || !bytes.Contains(k.args, message) || w.r.IntN(4) > 0 {
		return k.do()
	}
	switch w.defect {
	case losing: // clients pass over events that they do not know
		k.args = bytes.Replace(k.args, message, []byte(`"event":"lost"`), 1)
	case doubling:
		if b, err := k.do(); err != nil {
			return b, err
		}
	case swapping:
		if !k.swap(message) {
			return k.do()
		}
	default:
		return k.do()
	}
	w.applied++
	return k.do()
}

// swap swaps the first two messages of a batch for the same recipients.
func (k *call) swap(message []byte) bool {
	var in []any
	if err := value.Unmarshal(k.args, &in); err != nil {
		panic(err)
	}
	orders := in[0].(map[string]any)["orders"].([]any)
	for i := range len(orders) - 1 {
		a, b := orders[i].(map[string]any), orders[i+1].(map[string]any)
		f, ok := a["frame"].([]byte)
		g, also := b["frame"].([]byte)
		if ok && also && bytes.Contains(f, message) && bytes.Contains(g, message) && reflect.DeepEqual(a["to"], b["to"]) && a["group"] == b["group"] {
			a["frame"], b["frame"] = g, f
			args, err := value.Marshal(nil, in)
			if err != nil {
				panic(err)
			}
			k.args = args
			return true
		}
	}
	return false
}

// playLeaves runs the schedule of a seed on a new room with a socket or two for each object.
func playLeaves(t testing.TB, k *wood, seed uint64, d defect) (*world, error) {
	for _, l := range k.leaves {
		l.sockets, l.Alarm.At, l.Logged = nil, nil, nil
	}
	k.fault = fine
	for _, table := range []string{"websocket_leaves", "websocket_queued"} {
		_, _, _ = k.DB.Exec(`DELETE FROM `+table, nil)
	}
	return playWorld(t, k.object, k, seed, d)
}

func newWoods(t testing.TB) *wood {
	k := newWood(t, chat(websocketserver.Recovery{}), 1)
	k.later = true
	return k
}

// TestSchedules_leaves: the promises of TestSchedules hold where the sockets are on leaves, calls fail and isolates end in
// the middle of one.
func TestSchedules_leaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWoods(t)
		total := map[string]int{}
		seen, gaps := 0, 0
		n := schedules(t)
		for seed := range n {
			w, err := playLeaves(t, k, uint64(seed), sound)
			require.NoError(t, err, "seed %d", seed)
			for k, v := range w.steps {
				total[k] += v
			}
			for _, c := range w.clients {
				seen, gaps = seen+len(c.got), gaps+len(c.gaps)
			}
		}
		t.Logf("%d schedules: %d messages seen, %d gaps reported; %v", n, seen, gaps, total)
	})
}

// TestSchedules_leavesDefects: each defect of a call is caught.
func TestSchedules_leavesDefects(t *testing.T) {
	for d, name := range map[defect]string{losing: "losing", doubling: "doubling", swapping: "swapping"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newWoods(t)
				applied, caught := 0, 0
				for seed := range 300 {
					w, err := playLeaves(t, k, uint64(seed), d)
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
