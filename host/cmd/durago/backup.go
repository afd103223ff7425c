package main

import (
	"context"
	"fmt"
	"path/filepath"

	"durago.example/host"
)

type backupVerb struct {
	target
	File string `arg:"" type:"path" help:"The file to write; there must be none of that name."`
}

// copied is what backup and restore answer.
type copied struct {
	File   string `json:"file"`
	Class  string `json:"class"`
	Object string `json:"object"`
}

func (v *backupVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	if err := p.Backup(ctx, v.Class, v.Object, v.File); err != nil {
		return err
	}
	return emit(copied{v.File, v.Class, v.Object})
}

type backupCommand struct {
	dataFlags
	backupVerb
}

func (b *backupCommand) Run(ctx context.Context) error {
	return ask(ctx, &b.dataFlags, "backup", &b.backupVerb, func(c copied) error {
		_, err := fmt.Printf("%s: %s of %s\n", filepath.Base(c.File), c.Object, c.Class)
		return err
	})
}

type restoreVerb struct {
	target
	File string `arg:"" type:"path" help:"A file that backup has written."`
}

func (v *restoreVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	if err := p.Restore(ctx, v.Class, v.Object, v.File); err != nil {
		return err
	}
	return emit(copied{v.File, v.Class, v.Object})
}

type restoreCommand struct {
	dataFlags
	restoreVerb
}

func (r *restoreCommand) Run(ctx context.Context) error {
	return ask(ctx, &r.dataFlags, "restore", &r.restoreVerb, func(c copied) error {
		_, err := fmt.Printf("%s of %s: as in %s\n", c.Object, c.Class, filepath.Base(c.File))
		return err
	})
}
