//go:build !js

package guest

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"durago.example/wasm/abi"
)

// Natively the goroutines of a guest take turns as they do in wasm. The loop gives the turn to one of those that are ready
// and waits until it comes back: when its holder waits for the platform, or ends. Whoever has no turn and calls the platform
// waits for one.
//
// A holder that waits in plain Go (a channel, a lock, a sleep), or a bare goroutine that has ended, does not say so. If a
// turn takes longer than a moment the loop looks at the holder, in the runtime's own words (runtime.Stack), and takes the
// turn back if it has waited in two looks and called nothing between. It goes on later without one, until its next call of
// the platform: what it shares with others meanwhile needs a lock, as does what a bare goroutine shares before its first.

// port is how a guest reaches the runtime, and its turns. What mu does not guard belongs to who has the turn, or to the loop
// while nobody has.
type port struct {
	r    Runtime
	now  uint32 // the current context
	last uint32 // the latest event whose handler began

	mu      sync.Mutex
	ready   []*waiter
	holder  uint64 // goroutine that has the turn; 0 if the loop has it, or who has been given it has not noticed
	moves   uint64 // of the holder: calls and turns, counted
	inside  bool   // the holder is in the runtime: it comes back by itself
	settled atomic.Uint32
	sync    int  // bodies of TransactionSync that the holder is in
	running bool // a run is under way
	asked   bool // and one has been asked for
	closed  bool
	members members
	bound   int // of members, before those that have ended are taken out

	back  chan struct{} // the turn is
	timer *time.Timer   // of the next look
	loop  uint64        // the goroutine that runs the guest
	look  look
}

// waiter is a goroutine that waits for its turn.
type waiter struct {
	id    uint64 // 0 before it has begun
	given chan struct{}
	ready bool
}

func newWaiter(id uint64) *waiter { return &waiter{id: id, given: make(chan struct{}, 1)} }

func newPort(r Runtime) port { return port{r: r, back: make(chan struct{}, 1), members: members{}} }

// onLoop runs f on the loop, which counts as a turn.
func (p *port) onLoop(f func()) {
	if p.loop == 0 {
		p.loop = goroutine()
	}
	p.mu.Lock()
	p.holder = p.loop
	p.mu.Unlock()
	f()
	p.mu.Lock()
	p.holder = 0
	p.mu.Unlock()
}

// Run makes ctx current and gives turns until none is ready.
func (p *port) Run(ctx uint32) {
	p.now = ctx
	p.mu.Lock()
	p.running, p.asked = true, false
	for len(p.ready) > 0 {
		w := p.ready[0]
		p.ready = slices.Delete(p.ready, 0, 1)
		w.ready = false
		p.holder = w.id
		p.moves++
		w.given <- struct{}{}
		p.mu.Unlock()
		p.await()
		p.mu.Lock()
	}
	p.running = false
	p.mu.Unlock()
	p.now = 0
}

const (
	yields    = 1000 // before the first look: a few hundred microseconds
	firstLook = time.Millisecond
	lastLook  = 10 * time.Millisecond
)

// await returns when the turn has come back.
func (p *port) await() {
	if p.soon() || p.recall() || p.soon() || p.recall() {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(firstLook)
	} else {
		p.timer.Reset(firstLook)
	}
	defer p.timer.Stop()
	for next := firstLook; ; next = min(2*next, lastLook) {
		select {
		case <-p.back:
			return
		case <-p.timer.C:
		}
		if p.recall() || p.soon() || p.recall() {
			return
		}
		p.timer.Reset(next)
	}
}

// soon gives the turn a moment to come back, and tells whether it has. It reckons in yields, not in time, which may stand
// still in a bubble of testing/synctest.
func (p *port) soon() bool {
	for range yields {
		select {
		case <-p.back:
			return true
		default:
			runtime.Gosched()
		}
	}
	return false
}

// recall takes the turn back from a holder that waits in plain Go, or is no more.
func (p *port) recall() bool {
	p.mu.Lock()
	id, moves, inside := p.holder, p.moves, p.inside
	p.mu.Unlock()
	if id == 0 || inside || !p.look.waits(id, moves) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moves != moves || p.holder != id {
		return false
	}
	if p.sync > 0 {
		panic("objects: the body of a TransactionSync waits in plain Go code, which ends the isolate")
	}
	p.settled.Load()
	p.holder = 0
	p.moves++
	return true
}

// settle publishes what the holder has changed since its last move, for a loop that takes the turn back.
func (p *port) settle() { p.settled.Add(1) }

// take returns when it is the running goroutine's turn.
func (p *port) take() {
	id := goroutine()
	p.mu.Lock()
	if p.holder == id {
		p.moves++
		p.mu.Unlock()
		return
	}
	p.join(id)
	p.mu.Unlock()
	p.rejoin(newWaiter(id))
}

const leastBound = 1024

// join takes a goroutine in among the members.
func (p *port) join(id uint64) {
	if p.bound = max(p.bound, leastBound); len(p.members) >= p.bound {
		p.members.still(p.look.all(0))
		p.bound = 2 * len(p.members)
	}
	p.members[id] = struct{}{}
}

// push makes w ready, and tells whether the loop has to be asked for a run.
func (p *port) push(w *waiter) (ask bool) {
	w.ready = true
	p.ready = append(p.ready, w)
	if p.running || p.asked {
		return false
	}
	p.asked = true
	return true
}

// set makes w ready, on the loop or in a turn: it runs with this run, or the next.
func (p *port) set(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.ready {
		w.ready = true
		p.ready = append(p.ready, w)
	}
}

// give gives the turn back, if the goroutine still has it.
func (p *port) give(id uint64) {
	p.mu.Lock()
	if p.holder != id {
		p.mu.Unlock()
		return
	}
	p.holder = 0
	p.moves++
	p.mu.Unlock()
	p.back <- struct{}{}
}

// own is the goroutine that has the turn, for itself to ask.
func (p *port) own() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.holder
}

// start starts a goroutine, whose turn comes.
func (p *port) start(f func()) {
	w := newWaiter(0)
	p.set(w)
	go func() {
		<-w.given
		id := goroutine()
		p.mu.Lock()
		p.holder = id
		p.join(id)
		p.mu.Unlock()
		defer p.give(id)
		f()
	}()
}

// signal is something that happens once. It belongs to who has the turn.
type signal struct {
	fired   bool
	waiters []*waiter
}

func newSignal() signal { return signal{} }

// fire has it happen.
func (p *port) fire(s *signal) {
	waiters := s.waiters
	s.fired, s.waiters = true, nil
	for _, w := range waiters {
		p.set(w)
	}
}

// fireAll has them happen, so that who waits goes on in their order.
func (p *port) fireAll(list []*signal) {
	for _, s := range list {
		p.fire(s)
	}
}

// park waits, in the caller's turn, for a, for b, which may be nil, or for done; it tells whether it was not for done.
func (p *port) park(a, b *signal, done <-chan struct{}) bool {
	w := newWaiter(p.own())
	for _, s := range []*signal{a, b} {
		if s == nil {
			continue
		}
		if s.fired {
			leave(a, w)
			return true
		}
		s.waiters = append(s.waiters, w)
	}
	p.give(w.id)
	select {
	case <-w.given:
		leave(a, w)
		leave(b, w)
		return true
	case <-done:
	}
	p.rejoin(w)
	fired := a.fired || b != nil && b.fired
	leave(a, w)
	leave(b, w)
	return fired
}

// rejoin waits for a turn where w may be about to get one.
func (p *port) rejoin(w *waiter) {
	p.mu.Lock()
	select {
	case <-w.given:
		p.mu.Unlock()
		return
	default:
	}
	if p.closed && !w.ready {
		p.mu.Unlock()
		runtime.Goexit()
	}
	ask := !w.ready && p.push(w)
	p.mu.Unlock()
	if ask {
		p.r.Ask()
	}
	<-w.given
}

func leave(s *signal, w *waiter) {
	if s != nil {
		s.waiters = slices.DeleteFunc(s.waiters, func(x *waiter) bool { return x == w })
	}
}

// letOthersGoOn has nothing to do: who has the turn keeps it until it waits.
func (g *Guest) letOthersGoOn() {}

// worker waits for events.
type worker struct{ w *waiter }

func (p *port) newWorker() *worker { return &worker{newWaiter(p.own())} }

// rest returns when the worker has been roused. A guest that has been closed has it end.
func (p *port) rest(w *worker) {
	p.give(w.w.id)
	<-w.w.given
	if p.closed {
		runtime.Goexit()
	}
}

func (p *port) rouse(w *worker) { p.set(w.w) }

// close ends the idle workers, and whoever calls the platform from now on.
func (p *port) close(idle []*worker) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, w := range idle {
		p.set(w.w)
	}
	p.Run(0)
}

// outside is told that code of the guest runs within an operation, or that it has.
func (p *port) outside(begins bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside = !begins
	p.moves++
	if begins {
		p.sync++
	} else {
		p.sync--
	}
}

// Current is the context that the guest runs for; 0 is none.
func (p *port) Current() uint32 { return p.now }

func (p *port) current() uint32 { return p.now }

func (p *port) begun(event uint32) { p.last = max(p.last, event) }

// call performs an operation, in the caller's turn, and appends the answer to dst.
func (p *port) call(ctx uint32, op abi.Op, token uint32, frame, dst []byte) (answer []byte, err error) {
	p.within(func() {
		var ok bool
		if answer, ok = p.r.Call(ctx, op, token, frame, dst); !ok {
			answer, err = nil, readError(answer)
		}
	})
	return answer, err
}

// within runs f of the runtime's in a turn.
func (p *port) within(f func()) {
	p.enter(true)
	defer p.enter(false)
	f()
}

func (p *port) enter(in bool) {
	p.mu.Lock()
	p.inside = in
	p.moves++
	p.mu.Unlock()
}

// tell performs an operation that answers nothing.
func (p *port) tell(ctx uint32, op abi.Op, token uint32, frame []byte) {
	p.take()
	_, _ = p.call(ctx, op, token, frame, nil)
}

func (p *port) scratch() []byte { return nil }

func (p *port) discard([]byte) {}

// pin and unpin have nothing to do: who has the turn keeps it.
func (p *port) pin() {}

func (p *port) unpin() {}

// Still tells whether no goroutine of the guest runs or is about to. It may be called from any goroutine.
func (p *port) Still() bool {
	p.mu.Lock()
	moves, busy := p.moves, p.running || p.asked || len(p.ready) > 0
	p.mu.Unlock()
	if busy {
		return false
	}
	all := p.look.all(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members.still(all) && p.moves == moves && !p.running && !p.asked && len(p.ready) == 0
}
