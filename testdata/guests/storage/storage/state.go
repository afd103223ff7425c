package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"durago.example/objects"
)

// stateVerbs are the rest of an object's state.
var stateVerbs = map[string]func(r *runner, ctx context.Context, rest string) (string, error){
	"alarm.set": (*runner).setAlarm,
	"alarm.get": (*runner).getAlarm,
	"alarm.delete": func(r *runner, ctx context.Context, rest string) (string, error) {
		return "ok", r.state.Storage().DeleteAlarm(ctx, objects.AsyncOptions{AllowUnconfirmed: rest == unconfirmed})
	},
	"alarm.late": func(r *runner, _ context.Context, _ string) (string, error) {
		return r.kept.alarmed.String(), nil
	},
	"sync": func(r *runner, ctx context.Context, _ string) (string, error) {
		return "ok", r.state.Storage().Sync(ctx)
	},
	"delete-all": func(r *runner, ctx context.Context, _ string) (string, error) {
		return "ok", r.state.Storage().DeleteAll(ctx)
	},
	"bookmark": func(r *runner, ctx context.Context, _ string) (string, error) {
		b, err := r.state.Storage().Bookmark(ctx)
		return string(b), err
	},
	"id": func(r *runner, _ context.Context, _ string) (string, error) { return r.state.ID().String(), nil },
	"mark": func(r *runner, _ context.Context, rest string) (string, error) {
		r.kept.mark(rest)
		return "", nil
	},
	"marks": func(r *runner, _ context.Context, _ string) (string, error) {
		return r.kept.String(), nil
	},
	"sleep": func(_ *runner, _ context.Context, rest string) (string, error) {
		d, err := time.ParseDuration(rest)
		time.Sleep(d)
		return "", err
	},
	// visit calls another object, and so waits for something outside this one.
	"visit": func(_ *runner, ctx context.Context, name string) (string, error) {
		_, err := run.Call(ctx, objects.NamespaceOf(ctx, "STORE").GetByName(name), []string{"mark visited"})
		return "ok", err
	},
}

// alarmed is when alarms were to run and when they did.
type alarmed struct {
	base  time.Time // when the last was set
	after time.Duration
	log   []string
}

func (a *alarmed) ran(info objects.AlarmInfo) {
	early := ""
	if time.Now().Before(info.ScheduledTime) {
		early = ", early"
	}
	a.log = append(a.log, a.tell(info.ScheduledTime)+early)
}

func (a *alarmed) String() string { return strings.Join(a.log, "; ") }

// tell is a time as the script has set it, so that it is the same in every run.
func (a *alarmed) tell(at time.Time) string {
	switch d := at.Sub(a.base); {
	case d == a.after:
		return "as set"
	case time.Since(at).Abs() < time.Second:
		return "now"
	default:
		return fmt.Sprintf("about %v after it was set", d.Round(time.Second))
	}
}

const unconfirmed = "unconfirmed"

// setAlarm sets it a duration from now, or with "=" at a number of milliseconds since the epoch.
func (r *runner) setAlarm(ctx context.Context, rest string) (string, error) {
	rest, loosely := strings.CutSuffix(rest, " "+unconfirmed)
	a := r.kept.alarmed
	if ms, ok := strings.CutPrefix(rest, "="); ok {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return "", err
		}
		a.base, a.after = time.UnixMilli(n), 0
	} else {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return "", err
		}
		a.base, a.after = time.UnixMilli(time.Now().UnixMilli()), d
	}
	err := r.state.Storage().SetAlarm(ctx, a.base.Add(a.after), objects.AsyncOptions{AllowUnconfirmed: loosely})
	if err == nil {
		r.kept.alarmed = a
	}
	return "ok", err
}

func (r *runner) getAlarm(ctx context.Context, _ string) (string, error) {
	at, ok, err := r.state.Storage().Alarm(ctx)
	if err != nil || !ok {
		return "none", err
	}
	return r.kept.alarmed.tell(at), nil
}
