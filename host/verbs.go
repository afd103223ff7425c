package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"durago.example/host/durable"
)

// Evict takes an object out of memory, as idling does: its sockets stay. It tells whether the object was in memory. It fails
// while events or work are under way, but waits for what the object has written to be durable.
func (p *Operator) Evict(ctx context.Context, class, object string) (was bool, err error) {
	return p.evict(ctx, class, object, false)
}

// Hibernate is Evict of an object that has sockets: without any it fails.
func (p *Operator) Hibernate(ctx context.Context, class, object string) (was bool, err error) {
	return p.evict(ctx, class, object, true)
}

func (p *Operator) evict(ctx context.Context, class, object string, hibernate bool) (bool, error) {
	return peek(ctx, p, class, object, func(o *durable.Object, done func(bool, error)) {
		if hibernate && (o == nil || o.Sockets == nil || o.Sockets.Len() == 0) {
			done(false, fmt.Errorf("%s of %s has no sockets to hibernate under: evict takes an object without any out of memory", object, class))
			return
		}
		if o == nil || !o.Started() {
			done(false, nil)
			return
		}
		o.Sync(func(err error) {
			if err == nil {
				err = o.Evict()
			}
			if errors.Is(err, durable.ErrBusy) {
				s := o.Presence()
				err = fmt.Errorf("%s of %s: %w: %d events under way, %d wait: try again when they have ended, or abort it, which fails them", object, class, err, s.Active, s.Waiting)
			}
			done(err == nil, err)
		})
	})
}

// Abort resets an object, as its own code may: what it has not committed is undone, its sockets are dropped, its events fail.
// It tells whether something of the object was in memory.
func (p *Operator) Abort(ctx context.Context, class, object string) (was bool, err error) {
	return peek(ctx, p, class, object, func(o *durable.Object, done func(bool, error)) {
		if o != nil {
			o.Abort()
		}
		done(o != nil, nil)
	})
}

// Delete resets an object and removes all that it has stored, its alarm included, and its database with that. It returns once
// that is durable. The next event of the object finds it as if it had never been.
func (p *Operator) Delete(ctx context.Context, class, object string) error {
	t, err := p.find(class, object)
	if err != nil {
		return err
	}
	_, err = await(ctx, func(done func(struct{}, error)) error {
		return t.ns.Delete(t.id, func(err error) { done(struct{}{}, err) })
	})
	return noData("delete", class, object, err)
}

// Alarm is when an object's alarm is set to, or nil.
func (p *Operator) Alarm(ctx context.Context, class, object string) (*time.Time, error) {
	return beside(ctx, p, "read the alarm of", class, object, func(o *durable.Object) (*time.Time, error) {
		at, ok, err := o.Alarm()
		if err != nil || !ok {
			return nil, err
		}
		return &at, nil
	})
}

// SetAlarm sets an object's alarm in whole milliseconds, or removes it if at is nil, and returns once that is durable. A time in
// the past is now.
func (p *Operator) SetAlarm(ctx context.Context, class, object string, at *time.Time) error {
	_, err := beside(ctx, p, "set the alarm of", class, object, func(o *durable.Object) (struct{}, error) {
		return struct{}{}, o.SetAlarm(at)
	})
	return err
}

// ErrNoAlarm says that no alarm is set.
var ErrNoAlarm = errors.New("no alarm is set")

// RunAlarm runs an object's alarm now, whenever it is set to, and returns when its handler has ended and what it wrote is
// durable, with the handler's error. ErrNoAlarm: none is set.
func (p *Operator) RunAlarm(ctx context.Context, class, object string) error {
	_, err := visit(ctx, p, class, object, func(o *durable.Object, done func(struct{}, error)) {
		release := o.Hold()
		o.RunAlarm(func(ran bool, err error) {
			release()
			if err == nil && !ran {
				err = fmt.Errorf("%s of %s: %w", object, class, ErrNoAlarm)
			}
			done(struct{}{}, err)
		})
	})
	return err
}
