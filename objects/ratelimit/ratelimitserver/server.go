// Package ratelimitserver is the rate limiter's object: the state of any number of keys in SQLite, so that neither
// eviction nor a crash gives a unit back.
//
// A key under a rule is one row, whatever limits it has: a decision reads the rows of its descriptors with one statement
// and, if it takes anything, writes them with another. Both run within one turn of the object, so that no other decision
// comes between, and commit together before the answer leaves. A refusal writes nothing.
//
// A row is not needed any more when its state is that of a new key. An alarm deletes such rows, a bounded batch at a
// time. What an object may hold is bounded: Config.MaxKeys rows, of which each has the states of at most eight limits,
// the largest being a list of 4,096 times; and 64 rules in memory.
//
// The package depends on the contract, never the reverse. A Server belongs to its object: the runtime calls it, and no
// method waits before it has written.
package ratelimitserver

import (
	"context"
	"math/rand/v2"
	"time"

	"durago.example/objects"
	"durago.example/objects/alarms"
	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver/algorithm"
)

// Config of the class. Zero fields are the defaults.
type Config struct {
	MaxTokens   int64         // of the rule "default": the tokens of a full bucket, 10
	RefillEvery time.Duration // of the rule "default": one comes back, 10 seconds
	// Rules are known from the start; one that was set at run time takes the place of that of the same name. Each has
	// limits, and no key.
	Rules []ratelimit.Rule
	// MaxKeys bounds the rows, 2,000,000: a key that would be one more is refused with Full until others are purged.
	MaxKeys int64
	// PurgeEvery is the time between two passes over the keys that delete what says nothing any more, 5 minutes.
	PurgeEvery time.Duration
	// Now is the clock, time.Now.
	Now func() time.Time
}

// Server is the object.
type Server struct {
	mux     *alarms.Mux
	table   table
	config  map[string]*rule // those of the Config, and the default
	rules   map[string]*rule // those in force
	clock   func() time.Time
	last    int64                  // the time of the last decision
	leased  struct{ at, id int64 } // the last lease
	maxKeys int64
	purge   purge
	every   time.Duration // Config.PurgeEvery
}

var _ objects.AlarmHandler = (*Server)(nil)

// Class makes the class under the given name. config is called when an object starts and may be nil.
func Class(name string, config func(*objects.State) (Config, error)) *objects.Class {
	return objects.NewClass(name, func(s *objects.State) (*Server, error) {
		var c Config
		if config != nil {
			var err error
			if c, err = config(s); err != nil {
				return nil, err
			}
		}
		return New(s, c)
	}, Methods()...)
}

// Methods are the object's RPC methods, for a class that embeds Server.
func Methods() []objects.Method[Server] {
	return []objects.Method[Server]{
		objects.Impl2(ratelimit.Check, (*Server).Check),
		objects.Impl2(ratelimit.Consume, (*Server).Consume),
		objects.Impl1(ratelimit.GetStatus, (*Server).GetStatus),
		objects.ImplProc1(ratelimit.Reset, (*Server).Reset),
		objects.ImplProc1(ratelimit.SetOptions, (*Server).SetOptions),
		objects.Impl1(ratelimit.Take, (*Server).Take),
		objects.Impl1(ratelimit.Peek, (*Server).Peek),
		objects.Impl1(ratelimit.Refund, (*Server).Refund),
		objects.Impl1(ratelimit.Penalize, (*Server).Penalize),
		objects.Impl1(ratelimit.Deny, (*Server).Deny),
		objects.Impl1(ratelimit.Clear, (*Server).Clear),
		objects.Impl1(ratelimit.Renew, (*Server).Renew),
		objects.Impl1(ratelimit.Release, (*Server).Release),
		objects.ImplProc1(ratelimit.SetRule, (*Server).SetRule),
		objects.Impl1(ratelimit.GetUsage, (*Server).GetUsage),
	}
}

// New starts the object: its tables, and the rules that were set earlier. What an earlier program stored is moved into
// tables of today. An error is a Config that contradicts itself, or tables that a later program has made: nothing has been
// written then.
func New(state *objects.State, c Config) (*Server, error) {
	s := &Server{table: table{state.Storage().SQL()}, config: map[string]*rule{}, rules: map[string]*rule{}, maxKeys: c.MaxKeys, clock: c.Now, every: c.PurgeEvery}
	s.mux = alarms.New(state, alarms.Handlers{purgeAlarm: s.runPurge})
	if s.maxKeys == 0 {
		s.maxKeys = 2_000_000
	}
	if s.every == 0 {
		s.every = 5 * time.Minute
	}
	if s.every < time.Millisecond {
		return nil, refuse(ratelimit.InvalidRule, "PurgeEvery must be at least a millisecond, got %v", s.every)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if c.MaxTokens == 0 {
		c.MaxTokens = 10
	}
	if c.RefillEvery == 0 {
		c.RefillEvery = 10 * time.Second
	}
	standard, err := newRule(ratelimit.DefaultRule, []limit{bucket(c.MaxTokens, c.RefillEvery.Milliseconds())}, 0, 0)
	if err != nil {
		return nil, err
	}
	s.config[standard.name] = standard
	for _, given := range c.Rules {
		r, err := compile(given)
		switch {
		case err != nil:
			return nil, err
		case given.Key != "":
			return nil, refuse(ratelimit.InvalidRule, "rule %s of the Config is for the key %.80s: make it with setRule", r.name, given.Key)
		case len(r.limits) == 0:
			return nil, refuse(ratelimit.InvalidRule, "rule %s: no limits, which the Config cannot end a rule with: leave it out", r.name)
		}
		s.config[r.name] = r
	}
	if len(s.config) > maxRules {
		return nil, refuse(ratelimit.InvalidRule, "an object has at most %d rules, the default among them: the Config has %d", maxRules, len(s.config))
	}
	for name, r := range s.config {
		s.rules[name] = r
	}
	first, err := s.table.create()
	if err != nil {
		return nil, err
	}
	if err := s.table.loadRules(s.rules); err != nil {
		return nil, err
	}
	if s.purge, err = s.table.loadPurge(); err == nil && first {
		err = s.migrate()
	}
	return s, err
}

// Alarm purges keys. A class that embeds Server and has alarms of its own calls it from its Alarm.
func (s *Server) Alarm(ctx context.Context, info objects.AlarmInfo) error {
	return s.mux.Alarm(ctx, info)
}

// backwards is how far the clock may be set back without being believed, in milliseconds: time stands still instead.
const backwards = 60_000

// now is the time of a decision. It does not go back by less than a minute; of a longer step back package algorithm
// says what it does.
func (s *Server) now() int64 {
	t := min(max(0, s.clock().UnixMilli()), algorithm.MaxTime/2)
	if t < s.last && s.last-t <= backwards {
		return s.last
	}
	s.last = t
	return t
}

// newLease is a name that nobody holds; it fits 53 bits. Names of one millisecond follow each other in random steps, so
// that a row has them in one batch; the first of them is random.
func (s *Server) newLease(now int64) int64 {
	next := s.leased.id + 1 + rand.Int64N(1<<16)
	if now != s.leased.at || next>>algorithm.LowBits != s.leased.id>>algorithm.LowBits {
		next = 1 + rand.Int64N(1<<53-1)
	}
	s.leased.at, s.leased.id = now, next
	return next
}
