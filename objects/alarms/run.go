package alarms

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"durago.example/objects"
)

// Retries of a handler, as the platform has them for an alarm.
const (
	maxRetries = 6
	firstRetry = 2 * time.Second
)

// Alarm runs what is due. A class that embeds the Mux has it as its own; one that has an Alarm of its own calls it.
func (m *Mux) Alarm(ctx context.Context, _ objects.AlarmInfo) error {
	due, err := m.due(time.Now())
	if err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	for _, r := range due {
		// An earlier handler, or another event, may have changed it.
		now, err := m.get(r.Name)
		if err == nil && now != nil && now.Version == r.Version {
			err = m.settle(ctx, now, m.run(ctx, now))
		}
		if err != nil {
			return fmt.Errorf("alarms: %w", err)
		}
	}
	return m.arm(ctx)
}

// run calls a handler. A panic is contained, as in State.Go: others are to run too.
func (m *Mux) run(ctx context.Context, r *row) (err error) {
	base, key, _ := strings.Cut(r.Name, "/")
	h := m.handlers[base]
	if h == nil {
		return errNoHandler
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h(ctx, Run{r.Name, key, time.UnixMilli(r.At), r.Tries})
}

// settle says what becomes of a schedule that has run, unless the handler itself has said so.
func (m *Mux) settle(ctx context.Context, r *row, failed error) error {
	now := time.Now()
	if failed != nil {
		m.state.Logf(ctx, "alarm %s: %v", r.Name, failed)
		if r.Tries < maxRetries {
			return m.retry(r, now.Add(delay(r.Tries)))
		}
		m.state.Logf(ctx, "alarm %s: failed %d times, given up", r.Name, maxRetries+1)
	}
	if r.Every == 0 {
		return m.remove(r)
	}
	passed := (now.UnixMilli() - r.At) / r.Every
	return m.repeat(r, r.At+(passed+1)*r.Every)
}

var errNoHandler = errors.New("this program has no handler for it")

func delay(tries int) time.Duration {
	d := firstRetry << tries
	return d + rand.N(d/4)
}
