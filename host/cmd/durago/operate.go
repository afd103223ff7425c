package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"durago.example/host"
	"durago.example/host/local"
	"durago.example/host/storage"
)

// verb is what a command asks of the objects of a worker that runs, or of its data when none does. It goes to the worker as
// JSON.
type verb interface {
	// do does it, and gives what it finds to emit, one thing after another.
	do(ctx context.Context, p *host.Operator, emit func(any) error) error
}

// verbs are all, by the command's name; each is made empty.
func verbs() map[string]func() verb {
	return map[string]func() verb{
		"backup": func() verb { return &backupVerb{} }, "restore": func() verb { return &restoreVerb{} },
		"objects": func() verb { return &objectsVerb{} }, "sql": func() verb { return &sqlVerb{} },
		"kv-get": func() verb { return &kvGetVerb{} }, "kv-put": func() verb { return &kvPutVerb{} },
		"kv-delete": func() verb { return &kvDeleteVerb{} }, "kv-list": func() verb { return &kvListVerb{} },
		"evict": func() verb { return &evictVerb{} }, "hibernate": func() verb { return &hibernateVerb{} },
		"abort": func() verb { return &abortVerb{} }, "delete": func() verb { return &deleteVerb{} },
		"alarm": func() verb { return &alarmVerb{} },
	}
}

// target names one object.
type target struct {
	Class  string `arg:"" help:"A Durable Object class, or a binding of it."`
	Object string `arg:"" help:"The object's name, or its id."`
}

// dataFlags say whose objects.
type dataFlags struct {
	Config    string  `short:"c" type:"path" placeholder:"FILE" help:"The wrangler configuration; default: searched for as wrangler does."`
	Env       *string `short:"e" env:"CLOUDFLARE_ENV" placeholder:"NAME" help:"The environment of the configuration; default, and if empty, its top level."`
	PersistTo string  `type:"path" placeholder:"DIR" help:"Where the data is; default .durago/state beside the configuration."`
	JSON      bool    `help:"Print JSON, a line for each thing."`
}

// ask has a verb done by the worker that runs on the data directory, or else on the directory itself. text prints what it
// gives for people.
func ask[T any](ctx context.Context, d *dataFlags, name string, v verb, text func(T) error) error {
	c, err := (&configFlag{Config: d.Config, Env: d.Env}).load("")
	if err != nil {
		return err
	}
	o := local.Of(c, nil)
	if d.PersistTo != "" {
		o.Dir = d.PersistTo
	}
	show := func(raw json.RawMessage) error {
		if d.JSON {
			_, err := os.Stdout.Write(append(bytes.Clone(raw), '\n'))
			return err
		}
		var x T
		if err := json.Unmarshal(raw, &x); err != nil {
			return err
		}
		return text(x)
	}
	data, err := host.OpenData(o)
	if errors.Is(err, storage.ErrInUse) {
		if err := askWorker(ctx, o.Dir, name, v, show); !errors.Is(err, errNoAnswer) {
			return err
		}
		return fmt.Errorf("%s is in use by a process that takes no commands: stop it first; a program that runs the host itself calls the methods of its Operator", o.Dir)
	}
	if err != nil {
		return err
	}
	if w, ok := v.(interface{ needsWorker() bool }); ok && w.needsWorker() {
		return errors.Join(fmt.Errorf("no worker runs on %s, and nothing of it is in memory: start it first (durago run)", o.Dir), data.Close())
	}
	err = v.do(ctx, &data.Operator, func(x any) error {
		raw, err := json.Marshal(x)
		if err != nil {
			return err
		}
		return show(raw)
	})
	return errors.Join(err, data.Close())
}

func request(ctx context.Context, name string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://worker/"+name, bytes.NewReader(body))
	if err != nil {
		panic(err) // the names are ours
	}
	return r
}
