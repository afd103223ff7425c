package fakeobject

import (
	"context"
	"time"

	"durago.example/objects/driver"
)

// Storage has the alarm alone of an object's storage. It fires in Advance.
type Storage struct {
	driver.Storage
	At  *time.Time                // when it fires; nil is never
	Set func(at *time.Time) error // if not nil, it is told what the alarm is to be, and may refuse

	running bool // the handler runs: its own alarm is not to be seen
}

func (s *Storage) Alarm(context.Context) (time.Time, bool, error) {
	if s.At == nil || s.running {
		return time.Time{}, false, nil
	}
	return *s.At, true, nil
}

func (s *Storage) SetAlarm(_ context.Context, at time.Time, _ byte) error {
	if err := s.tell(&at); err != nil {
		return err
	}
	if now := time.Now(); at.Before(now) {
		at = now
	}
	at = at.Truncate(time.Millisecond)
	s.At, s.running = &at, false
	return nil
}

func (s *Storage) DeleteAlarm(context.Context, byte) error {
	if err := s.tell(nil); err != nil {
		return err
	}
	s.At, s.running = nil, false
	return nil
}

func (s *Storage) tell(at *time.Time) error {
	if s.Set == nil {
		return nil
	}
	return s.Set(at)
}

// Advance lets time pass, that of a bubble of synctest, and calls fire for each alarm on the way. One that fails fires again
// two seconds later.
func (s *Storage) Advance(d time.Duration, fire func() error) {
	for end := time.Now().Add(d); ; {
		if s.At == nil || s.At.After(end) {
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(time.Until(*s.At))
		s.fire(fire)
	}
}

// fire runs the handler. A panic out of it leaves the alarm set, as an isolate that ends does.
func (s *Storage) fire(f func() error) {
	s.running = true
	defer func() { s.running = false }()
	if err := f(); err != nil {
		again := time.Now().Add(2 * time.Second)
		s.At = &again
	} else if s.running {
		s.At = nil
	}
}
