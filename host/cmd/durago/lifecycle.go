package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"durago.example/host"
)

// resident is a verb about what is in memory.
type resident struct{ target }

func (resident) needsWorker() bool { return true }

// had says what was done, if something of the object was in memory.
func (r *resident) had(was bool, done string, emit func(any) error) error {
	if !was {
		done = "was not in memory"
	}
	return emit(changed{Class: r.Class, Object: r.Object, Done: done})
}

type evictVerb struct{ resident }

func (v *evictVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	was, err := p.Evict(ctx, v.Class, v.Object)
	if err != nil {
		return err
	}
	return v.had(was, "evicted", emit)
}

type evictCommand struct {
	dataFlags
	evictVerb
}

func (c *evictCommand) Run(ctx context.Context) error {
	return ask(ctx, &c.dataFlags, "evict", &c.evictVerb, changed.print)
}

type hibernateVerb struct{ resident }

func (v *hibernateVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	was, err := p.Hibernate(ctx, v.Class, v.Object)
	if err != nil {
		return err
	}
	return v.had(was, "hibernates", emit)
}

type hibernateCommand struct {
	dataFlags
	hibernateVerb
}

func (c *hibernateCommand) Run(ctx context.Context) error {
	return ask(ctx, &c.dataFlags, "hibernate", &c.hibernateVerb, changed.print)
}

type abortVerb struct{ resident }

func (v *abortVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	was, err := p.Abort(ctx, v.Class, v.Object)
	if err != nil {
		return err
	}
	return v.had(was, "reset", emit)
}

type abortCommand struct {
	dataFlags
	abortVerb
}

func (c *abortCommand) Run(ctx context.Context) error {
	return ask(ctx, &c.dataFlags, "abort", &c.abortVerb, changed.print)
}

type deleteVerb struct{ target }

func (v *deleteVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	if err := p.Delete(ctx, v.Class, v.Object); err != nil {
		return err
	}
	return emit(changed{Class: v.Class, Object: v.Object, Done: "deleted"})
}

type deleteCommand struct {
	dataFlags
	deleteVerb
	Yes bool `help:"Do not ask."`
}

func (c *deleteCommand) Run(ctx context.Context) error {
	if !c.Yes {
		if err := c.confirm(); err != nil {
			return err
		}
	}
	return ask(ctx, &c.dataFlags, "delete", &c.deleteVerb, changed.print)
}

// confirm asks whoever is at the terminal.
func (c *deleteCommand) confirm() error {
	if _, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS); err != nil {
		return usageError{fmt.Errorf("delete removes all that %s of %s has stored: say --yes if that is meant", printable(c.Object), c.Class)}
	}
	fmt.Fprintf(os.Stderr, "This removes all that %s of %s has stored, and its alarm. Type yes to go on: ", printable(c.Object), c.Class)
	s, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if strings.TrimSpace(s) != "yes" {
		return errors.New("nothing was deleted")
	}
	return nil
}

type alarmVerb struct {
	target
	Run   bool       `xor:"what" help:"Run it now, and wait for its end."`
	Clear bool       `xor:"what" help:"Remove it."`
	At    *time.Time `kong:"-"`
}

func (v *alarmVerb) needsWorker() bool { return v.Run }

// alarmInfo is what the alarm is after the verb.
type alarmInfo struct {
	Class  string     `json:"class"`
	Object string     `json:"object"`
	Alarm  *time.Time `json:"alarm"`
	Ran    bool       `json:"ran,omitempty"`
}

func (v *alarmVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	var err error
	switch {
	case v.Run:
		err = p.RunAlarm(ctx, v.Class, v.Object)
	case v.Clear || v.At != nil:
		err = p.SetAlarm(ctx, v.Class, v.Object, v.At)
	}
	if err != nil {
		return err
	}
	at, err := p.Alarm(ctx, v.Class, v.Object)
	if err != nil && !(v.Run && errors.Is(err, host.ErrNoData)) { // the handler has deleted everything
		return err
	}
	return emit(alarmInfo{v.Class, v.Object, at, v.Run})
}

type alarmCommand struct {
	dataFlags
	alarmVerb
	Set string `xor:"what" placeholder:"TIME" help:"Set it: RFC 3339, milliseconds since 1970, or from now on as +1h30m."`
}

func (c *alarmCommand) Run(ctx context.Context) error {
	if c.Set != "" {
		at, err := parseTime(c.Set, time.Now())
		if err != nil {
			return usageError{err}
		}
		c.At = &at
	}
	return ask(ctx, &c.dataFlags, "alarm", &c.alarmVerb, func(a alarmInfo) error {
		ran := ""
		if a.Ran {
			ran = "ran; "
		}
		set := "no alarm is set"
		if a.Alarm != nil {
			set = a.Alarm.UTC().Format("2006-01-02T15:04:05.000Z07:00")
		}
		_, err := fmt.Printf("%s of %s: %s%s\n", printable(a.Object), a.Class, ran, set)
		return err
	})
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		if d, err := time.ParseDuration(rest); err == nil {
			return now.Add(d), nil
		}
	} else if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		if t := time.UnixMilli(ms); t.Year() <= 9999 { // of which JSON has times
			return t, nil
		}
	} else if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("--set %s is no time: give one as 2026-01-31T12:00:00Z, as milliseconds since 1970, or from now on as +1h30m", s)
}
