package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/objects"
)

// Broken is an object whose constructor fails. That of one whose name begins with "slow" takes two seconds, and succeeds every
// other time; that of one whose name begins with "stuck" does not return the first time.
type Broken struct {
	state *objects.State
	born  int // how often the constructor has run
}

// births are how often constructors have run, by the objects' names.
var births sync.Map

var (
	born        = objects.Method0("born", (*Broken).count)
	alarmIn     = objects.MethodProc1("alarmIn", (*Broken).alarmIn, "ms")
	alarmed     = objects.Method0("alarmed", (*Broken).alarmed)
	brokenClass = objects.NewClass("Broken", newBroken, born, alarmIn, alarmed)

	_ = objects.AlarmHandler((*Broken)(nil))
)

func newBroken(state *objects.State) (*Broken, error) {
	name, _ := state.ID().Name()
	n, _ := births.LoadOrStore(name, &atomic.Int32{})
	b := &Broken{state, int(n.(*atomic.Int32).Add(1))}
	switch {
	case strings.HasPrefix(name, "slow"):
		time.Sleep(2 * time.Second)
		if b.born%2 == 1 {
			return nil, fmt.Errorf("not yet: %d", b.born)
		}
		return b, nil
	case strings.HasPrefix(name, "stuck"):
		if b.born == 1 {
			select {}
		}
		return b, nil
	}
	return nil, &objects.Error{Name: "RangeError", Message: "the constructor said no"}
}

func (b *Broken) count(context.Context) (int, error) { return b.born, nil }

func (b *Broken) alarmIn(ctx context.Context, ms int) error {
	return b.state.Storage().SetAlarm(ctx, time.Now().Add(time.Duration(ms)*time.Millisecond))
}

// Alarm keeps which instance it ran in.
func (b *Broken) Alarm(_ context.Context, info objects.AlarmInfo) error {
	return ran.Put(b.state.Storage().KV(), fmt.Sprintf("instance %d, retry %d", b.born, info.RetryCount))
}

var ran = objects.NewKey[string]("ran")

func (b *Broken) alarmed(context.Context) (string, error) {
	text, _, err := ran.Get(b.state.Storage().KV())
	return text, err
}

// again breaks an object n times, each by a new stub, which is asked before and after.
func again(ctx context.Context, w http.ResponseWriter, ns *objects.Namespace, name string, n int) error {
	old := ns.GetByName(name)
	if _, err := count.Call(ctx, old); err != nil {
		return err
	}
	for range n {
		s := ns.GetByName(name)
		before, err := count.Call(ctx, s)
		broke := fail.Call(ctx, s, "abort")
		_, after := count.Call(ctx, s)
		_, long := count.Call(ctx, old)
		fmt.Fprintf(w, "%d %v | %v | %v | %v\n", before, err, broke, after, long)
	}
	return nil
}
