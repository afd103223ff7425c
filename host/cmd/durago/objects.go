package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"durago.example/host"
)

type objectsVerb struct {
	Class string `arg:"" optional:"" help:"A Durable Object class, or a binding of it; default all."`
}

func (v *objectsVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	for o, err := range p.Objects(ctx, v.Class) {
		if err == nil {
			err = emit(o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type objectsCommand struct {
	dataFlags
	objectsVerb
}

// Run prints a line for each object as it comes: there may be many.
func (o *objectsCommand) Run(ctx context.Context) error {
	const line = "%-16s %-64s %10s %-7s %7s %7s %-20s %-20s %s\n"
	first := true
	return ask(ctx, &o.dataFlags, "objects", &o.objectsVerb, func(x host.ObjectInfo) error {
		if first {
			first = false
			fmt.Printf(line, "CLASS", "ID", "BYTES", "MEMORY", "SOCKETS", "WAITING", "ALARM", "LAST USE", "NAME")
		}
		memory := "no"
		if x.Memory {
			memory = "yes"
		}
		name := "(unknown)"
		if x.Name != nil {
			name = printable(*x.Name)
		}
		_, err := fmt.Printf(line, x.Class, x.ID, strconv.FormatInt(x.Bytes, 10), memory, strconv.Itoa(x.Sockets), strconv.Itoa(x.Waiting), instant(x.Alarm), instant(x.Used), name)
		return err
	})
}

func instant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// printable is a text that is in one line and does nothing to a terminal.
func printable(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) || strings.HasPrefix(s, `"`) {
		return strconv.Quote(s)
	}
	return s
}
