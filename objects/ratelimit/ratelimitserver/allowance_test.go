package ratelimitserver_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
	"durago.example/wasm/value"
)

// schedule is some fronts that spend one key of one object for a while, on a network that delays and drops.
type schedule struct {
	o     *object
	rule  ratelimit.Rule
	mu    sync.Mutex // the object runs one event at a time
	spent []spent
	local int   // how many of them cost no call
	keep  int64 // the mutant: fronts keep loans so many times as long
}

type spent struct{ at, cost int64 }

// burst is when all fronts begin to spend, each up to so many requests.
type burst struct {
	at       time.Time
	requests int
}

var errDropped = errors.New("dropped")

// link is a front's way to the object.
type link struct {
	s     *schedule
	r     *rand.Rand
	asked int64 // when the object last decided, in ms; 0 if it was not asked
}

func (l *link) CallRPC(ctx context.Context, method string, args []byte) ([]byte, error) {
	wait := func() { time.Sleep(time.Duration(l.r.IntN(150)) * time.Millisecond) }
	wait()
	if l.r.IntN(20) == 0 {
		return nil, errDropped // before the object
	}
	l.s.mu.Lock()
	l.asked = time.Now().UnixMilli()
	b, err := l.s.o.CallRPC(ctx, method, args)
	l.s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	wait()
	if l.r.IntN(20) == 0 {
		return nil, errDropped // after it: what was taken and lent is lost
	}
	if l.s.keep > 1 {
		var d ratelimit.Decision
		if err := value.Unmarshal(b, &d); err != nil {
			return nil, err
		}
		d.LoanMS *= l.s.keep
		return value.Marshal(nil, d)
	}
	return b, nil
}

// front spends in bursts that begin with those of the others, with silence between, and is evicted now and then.
func (s *schedule) front(ctx context.Context, r *rand.Rand, units int64, bursts []burst) error {
	a := &ratelimit.Allowance{Units: units}
	for _, b := range bursts {
		time.Sleep(time.Until(b.at))
		if r.IntN(10) == 0 {
			a = &ratelimit.Allowance{Units: units}
		}
		for range 1 + r.IntN(b.requests) {
			time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
			l, cost := &link{s: s, r: r}, 1+r.Int64N(3)
			d, err := a.Take(ctx, l, of(s.rule.Name, "hot", cost))
			if err != nil && !errors.Is(err, errDropped) {
				return err
			}
			if err != nil || !d.Allowed {
				continue
			}
			s.mu.Lock()
			if l.asked == 0 {
				l.asked = time.Now().UnixMilli()
				s.local++
			}
			s.spent = append(s.spent, spent{l.asked, cost})
			s.mu.Unlock()
		}
	}
	return nil
}

// play runs one schedule and says by how much it exceeds what is promised.
func play(t *testing.T, seed uint64, keep int64) (over int64, local, all int) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := ratelimit.Limit{Quota: 10 + r.Int64N(60), PeriodMS: 500 + r.Int64N(3000)}
		l.Algorithm = []string{ratelimit.FixedWindow, ratelimit.GCRA, ratelimit.TokenBucket, ratelimit.SlidingLog}[r.IntN(4)]
		rule := ratelimit.Rule{Name: "r", Limits: []ratelimit.Limit{l}, Loan: 2 + r.Int64N(l.Quota), LoanMS: 100 + r.Int64N(3000)}
		s := &schedule{o: newObject(t, ratelimitserver.Config{Rules: []ratelimit.Rule{rule}}), rule: rule, keep: keep}
		bursts, fronts, at := []burst{}, sync.WaitGroup{}, time.Now()
		for range 8 {
			bursts = append(bursts, burst{at, 1 + r.IntN(2)*r.IntN(50)})
			at = at.Add(time.Duration(r.IntN(2500)) * time.Millisecond)
		}
		for i := range 1 + r.IntN(8) {
			own, units := rand.New(rand.NewPCG(seed, uint64(i+1))), 1+r.Int64N(rule.Loan)
			fronts.Go(func() {
				if err := s.front(t.Context(), own, units, bursts); err != nil {
					t.Error(err)
				}
			})
		}
		for range 5 {
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
			s.mu.Lock()
			if err := s.o.evict(); err != nil {
				t.Error(err)
			}
			s.mu.Unlock()
		}
		fronts.Wait()
		over, local, all = s.over(l), s.local, len(s.spent)
	})
	return over, local, all
}

// over is by how much the stretch of time that is worst exceeds what the limit allows in it and the loan.
func (s *schedule) over(l ratelimit.Limit) (over int64) {
	slices.SortFunc(s.spent, func(a, b spent) int { return int(a.at - b.at) })
	over = -1 << 62
	for i, first := range s.spent {
		sum := int64(0)
		for _, last := range s.spent[i:] {
			sum += last.cost
			took := last.at - first.at
			allowed := int64(1) << 62
			switch l.Algorithm {
			case ratelimit.FixedWindow:
				allowed = l.Quota * (last.at/l.PeriodMS - first.at/l.PeriodMS + 1)
			case ratelimit.GCRA:
				allowed = l.Quota + took*l.Quota/l.PeriodMS
			case ratelimit.TokenBucket:
				allowed = l.Quota + l.Quota*(took/l.PeriodMS+1)
			case ratelimit.SlidingLog:
				allowed = l.Quota * (took/l.PeriodMS + 1)
			}
			over = max(over, sum-allowed-s.rule.Loan)
		}
	}
	return over
}

// TestAllowance_bound plays schedules of fronts, drops and evictions, and holds the bound that Allowance states.
// DURAGO_SCHEDULES is how many, for example 10000.
func TestAllowance_bound(t *testing.T) {
	worst, local, all := int64(-1<<62), 0, 0
	for seed := range setting(t, "DURAGO_SCHEDULES", 300) {
		over, l, a := play(t, uint64(seed), 1)
		require.LessOrEqual(t, over, int64(0), "seed %d", seed)
		worst, local, all = max(worst, over), local+l, all+a
	}
	t.Logf("%d decisions, %d without a call; the worst was %d units below the bound", all, local, -worst)
	require.Greater(t, local, all/10)

	t.Run("fronts that keep loans for longer are noticed", func(t *testing.T) {
		for seed := range uint64(300) {
			if over, _, _ := play(t, seed, 50); over > 0 {
				return
			}
		}
		t.Fatal("not noticed")
	})
}
