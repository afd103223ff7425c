//go:build !js

package guest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/guest"
)

// TestLook: the runtime says who waits, for whatever, who runs, and who is no more.
func TestLook(t *testing.T) {
	end, mu, over := make(chan struct{}), sync.Mutex{}, atomic.Bool{}
	mu.Lock()
	var spins sync.WaitGroup
	for _, row := range []struct {
		name  string
		waits bool
		f     func()
	}{
		{"receives", true, func() { <-end }},
		{"selects", true, func() {
			select {
			case <-end:
			case <-context.Background().Done():
			}
		}},
		{"sleeps", true, func() { time.Sleep(200 * time.Millisecond) }},
		{"locks", true, func() { mu.Lock(); defer mu.Unlock() }},
		{"has ended", true, func() {}},
		{"runs", false, func() {
			for !over.Load() {
				continue
			}
		}},
	} {
		id := make(chan uint64, 1)
		spins.Go(func() { id <- guest.Goroutine(); row.f() })
		number := <-id
		require.Eventually(t, func() bool { return guest.Waits(number) == row.waits }, 5*time.Second, time.Millisecond, row.name)
		if !row.waits {
			require.Never(t, func() bool { return guest.Waits(number) }, 20*time.Millisecond, time.Millisecond, row.name)
		}
	}
	mu.Unlock()
	over.Store(true)
	close(end)
	spins.Wait()
}

// runtime is what a guest needs, with a loop that is the test.
type runtime struct {
	guest.Environment
	g     *guest.Guest
	asked chan struct{}
	said  []string
	ended []uint32
}

func (r *runtime) Ask() { r.asked <- struct{}{} }

func (r *runtime) Call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) ([]byte, bool) {
	switch op {
	case abi.OpLog:
		r.said = append(r.said, string(frame[1:]))
	case abi.OpWake:
		go func() { r.asked <- struct{}{} }()
	case abi.OpTransactionSync:
		r.g.Transaction(token)
	case abi.OpReturn, abi.OpFail:
		r.ended = append(r.ended, token)
	}
	return dst, true
}

// scheduled is a guest whose handler is f, and that has been given n events.
func scheduled(n uint32, f func(ctx context.Context, say func(string))) *runtime {
	r := &runtime{asked: make(chan struct{}, 16)}
	r.g = guest.New(driver.Program{Scheduled: func(ctx context.Context, _ string, _ time.Time) error {
		f(ctx, func(text string) { ctx.Value(driver.ScopeKey).(driver.Scope).Log(ctx, abi.LogInfo, text) })
		return nil
	}}, r)
	for ev := range n {
		r.g.Event(abi.EventScheduled, 1, ev+1, abi.AppendF64(abi.AppendStr(nil, "* * * * *"), 0))
	}
	return r
}

// TestGuest_Run: a run ends when nobody can go on. Who waits in plain Go has no turn, and goes on in a run that it asks for.
func TestGuest_Run(t *testing.T) {
	open := make(chan struct{})
	r := scheduled(3, func(_ context.Context, say func(string)) {
		say("begins")
		<-open
		say("goes on")
	})
	r.g.Run(1)
	require.Equal(t, []string{"begins", "begins", "begins"}, r.said)
	require.Empty(t, r.ended)
	require.True(t, r.g.Still())
	close(open)
	for len(r.ended) < 3 {
		<-r.asked
		r.g.Run(1)
	}
	require.Equal(t, []string{"begins", "begins", "begins", "goes on", "goes on", "goes on"}, r.said)
	r.g.Close()
}

// TestGuest_Close: who calls the platform of a guest that has been closed ends there.
func TestGuest_Close(t *testing.T) {
	open, over := make(chan struct{}), make(chan bool, 1)
	r := scheduled(1, func(_ context.Context, say func(string)) {
		done := false
		defer func() { over <- done }()
		<-open
		say("too late")
		done = true
	})
	r.g.Run(1)
	r.g.Close()
	close(open)
	require.False(t, <-over)
	require.Empty(t, r.said)
}

// TestGuest_Run_transaction: the body of a TransactionSync that waits in plain Go is fatal, as in wasm.
func TestGuest_Run_transaction(t *testing.T) {
	open := make(chan struct{})
	defer close(open)
	r := scheduled(1, func(ctx context.Context, _ func(string)) {
		_ = ctx.Value(driver.ScopeKey).(driver.Scope).Storage().TransactionSync(func() error {
			<-open
			return nil
		})
	})
	require.PanicsWithValue(t, "objects: the body of a TransactionSync waits in plain Go code, which ends the isolate", func() { r.g.Run(1) })
}

// TestGuest_members: goroutines that have ended are forgotten.
func TestGuest_members(t *testing.T) {
	const n = 5000
	r := scheduled(0, func(ctx context.Context, _ func(string)) {
		ctx.Value(driver.ScopeKey).(driver.Scope).Go(func(context.Context) {})
	})
	for ev := range uint32(n) {
		r.g.Event(abi.EventScheduled, 1, ev+1, abi.AppendF64(abi.AppendStr(nil, ""), 0))
		r.g.Run(1)
	}
	require.Len(t, r.ended, n)
	require.Less(t, guest.Members(r.g), n/2)
	r.g.Close()
}
