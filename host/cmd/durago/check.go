package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/wasm/abi"
)

type checkCommand struct{ configFlag }

// Run goes on after a mistake where it can: the program is compiled and its source read whatever is wrong with the
// configuration.
func (k *checkCommand) Run(ctx context.Context) error {
	c, err := k.checked("check")
	var wrong *wrangler.Error
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	dir := ""
	if c != nil {
		dir = c.Dir
	} else {
		dir = filepath.Dir(wrong.Mistakes[0].File)
	}
	wasm, failed := build.Compile(ctx, dir, k.Package)
	if failed != nil {
		return errors.Join(err, failed)
	}
	err = errors.Join(err, build.CheckHandlers(ctx, dir, k.Package))
	m, failed := readManifest(ctx, wasm)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if c != nil {
		err = errors.Join(err, build.Check(c, m))
	}
	if err == nil {
		fmt.Printf("%s: ok, %d classes\n", c.File, len(m.Classes))
	}
	return err
}

type typesCommand struct {
	configFlag
	Out string `type:"path" placeholder:"FILE" help:"Where to write; default standard output."`
}

func (k *typesCommand) Run(ctx context.Context) error {
	c, err := k.checked("types")
	if err != nil {
		return err
	}
	wasm, err := build.Compile(ctx, c.Dir, k.Package)
	if err != nil {
		return err
	}
	var m *abi.Manifest
	if m, err = readManifest(ctx, wasm); err != nil {
		return err
	}
	if err := build.Check(c, m); err != nil {
		return err
	}
	text := build.Generate(c, m, build.GenerateOptions{})["worker.d.ts"]
	if k.Out == "" {
		_, err = os.Stdout.Write(text)
		return err
	}
	if err := os.WriteFile(k.Out, text, 0o644); err != nil {
		return fmt.Errorf("cannot write the declarations: %w: choose another place with --out", err)
	}
	return nil
}
