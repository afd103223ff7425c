package alarms

import (
	"context"
	"fmt"
	"strings"
	"time"

	"durago.example/objects"
)

// Handler runs when a schedule is due. An error has it run again later.
type Handler func(ctx context.Context, run Run) error

// Handlers are those of an object, by the first part of the names of their schedules.
type Handlers map[string]Handler

// Run says what is due.
type Run struct {
	Name          string    // of the schedule, as it was given
	Key           string    // what follows the first slash of Name; empty if there is none
	ScheduledTime time.Time // when it was to run first
	RetryCount    int       // 0 on the first run
}

// IsRetry tells whether an earlier run failed.
func (r Run) IsRetry() bool { return r.RetryCount > 0 }

// Mux shares an object's alarm. It may be used from any goroutine of the object.
type Mux struct {
	state    *objects.State
	storage  *objects.Storage
	sql      *objects.SQL
	handlers Handlers
}

var _ objects.AlarmHandler = (*Mux)(nil)

// New makes a Mux; call it in the object's constructor. It reads and writes nothing.
func New(state *objects.State, handlers Handlers) *Mux {
	return &Mux{state, state.Storage(), state.Storage().SQL(), handlers}
}

// At has the handler run once at the given time, or at once if that is past. The name is that of a handler, and may be
// followed by a slash and a key, which make it another schedule. One of that name is replaced, and its failures are
// forgotten.
func (m *Mux) At(ctx context.Context, name string, at time.Time) error {
	if err := m.check(name); err != nil {
		return err
	}
	if err := m.put(name, at, 0); err != nil {
		return fmt.Errorf("alarms: schedule %s: %w", name, err)
	}
	return m.arm(ctx)
}

// Every has the handler run each time that d has passed, at least a millisecond, first after d. One that repeats so
// already is left as it is, so that a constructor may call this; any other of that name is replaced. Times that passed
// while the object could not run are made up for once.
func (m *Mux) Every(ctx context.Context, name string, d time.Duration) error {
	if err := m.check(name); err != nil {
		return err
	}
	if d < time.Millisecond {
		return fmt.Errorf("alarms: schedule %s: an interval of %v is too short: use a millisecond or more", name, d)
	}
	old, err := m.get(name)
	if err != nil {
		return fmt.Errorf("alarms: schedule %s: %w", name, err)
	}
	if old == nil || old.Every != d.Milliseconds() {
		if err := m.put(name, time.Now().Add(d), d); err != nil {
			return fmt.Errorf("alarms: schedule %s: %w", name, err)
		}
	}
	return m.arm(ctx)
}

// Delete ends a schedule, and tells whether there was one.
func (m *Mux) Delete(ctx context.Context, name string) (bool, error) {
	old, err := m.get(name)
	if err == nil && old != nil {
		err = m.remove(old)
	}
	if err != nil {
		return false, fmt.Errorf("alarms: delete %s: %w", name, err)
	}
	return old != nil, m.arm(ctx)
}

// Next is when a schedule runs next, which may be a retry; ok is false if there is none.
func (m *Mux) Next(name string) (at time.Time, ok bool, err error) {
	r, err := m.get(name)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("alarms: %s: %w", name, err)
	}
	if r == nil {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(r.Due), true, nil
}

func (m *Mux) check(name string) error {
	if base, _, _ := strings.Cut(name, "/"); m.handlers[base] == nil {
		return fmt.Errorf("alarms: there is no handler for %s: give one to New", name)
	}
	return nil
}

// arm sets the alarm to the earliest schedule, if it is not so set. It asks for the alarm rather than remember it: what
// was set in a transaction may have been undone.
func (m *Mux) arm(ctx context.Context) error {
	next, ok, err := m.earliest()
	if err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	at, set, err := m.storage.Alarm(ctx)
	now := time.Now()
	switch {
	case err != nil:
	case !ok && set:
		err = m.storage.DeleteAlarm(ctx)
	case ok && !(set && (at.Equal(next) || !at.After(now) && !next.After(now))):
		err = m.storage.SetAlarm(ctx, next)
	}
	if err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	return nil
}
