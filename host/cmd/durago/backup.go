package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/storage"
)

// dataFlags name one object of a worker.
type dataFlags struct {
	Config    string  `short:"c" type:"path" placeholder:"FILE" help:"The wrangler configuration; default: searched for as wrangler does."`
	Env       *string `short:"e" env:"CLOUDFLARE_ENV" placeholder:"NAME" help:"The environment of the configuration; default, and if empty, its top level."`
	PersistTo string  `type:"path" placeholder:"DIR" help:"Where the data is; default .durago/state beside the configuration."`
	Class     string  `arg:"" help:"A Durable Object class, or a binding of it."`
	Object    string  `arg:"" help:"The object's name, or its id."`
}

// with runs f on the worker that runs on the data directory, or else on the directory itself.
func (d *dataFlags) with(f func(archive) error) error {
	c, err := (&configFlag{Config: d.Config, Env: d.Env}).load("")
	if err != nil {
		return err
	}
	o := hostOptions(c, &wrangler.Local{}, nil)
	if d.PersistTo != "" {
		o.Dir = d.PersistTo
	}
	data, err := host.OpenData(o)
	if errors.Is(err, storage.ErrInUse) {
		if err := f(running(o.Dir)); !errors.Is(err, errNoAnswer) {
			return err
		}
		return fmt.Errorf("%s is in use by a process that takes no commands: stop it first; a program that runs the host itself calls its Backup and Restore", o.Dir)
	}
	if err != nil {
		return err
	}
	return errors.Join(f(data), data.Close())
}

type backupCommand struct {
	dataFlags
	File string `arg:"" type:"path" help:"The file to write; there must be none of that name."`
}

func (b *backupCommand) Run(ctx context.Context) error {
	err := b.with(func(a archive) error { return a.Backup(ctx, b.Class, b.Object, b.File) })
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s of %s\n", filepath.Base(b.File), b.Object, b.Class)
	return nil
}

type restoreCommand struct {
	dataFlags
	File string `arg:"" type:"path" help:"A file that backup has written."`
}

func (r *restoreCommand) Run(ctx context.Context) error {
	err := r.with(func(a archive) error { return a.Restore(ctx, r.Class, r.Object, r.File) })
	if err != nil {
		return err
	}
	fmt.Printf("%s of %s: as in %s\n", r.Object, r.Class, filepath.Base(r.File))
	return nil
}
