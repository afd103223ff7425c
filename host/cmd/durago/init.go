package main

import (
	"fmt"
	"path/filepath"
	"runtime"

	"durago.example/build/template"
)

type initCommand struct {
	Dir    string `arg:"" type:"path" help:"A folder that is empty or not there yet; its name becomes the worker's."`
	Source string `type:"path" placeholder:"DIR" help:"The folder of durago's own module; default: where this command was built."`
}

func (i *initCommand) Run() error {
	if i.Source == "" {
		_, file, _, _ := runtime.Caller(0) // as the compiler saw it; with -trimpath it leads nowhere
		i.Source = filepath.Join(filepath.Dir(file), "..", "..", "..")
	}
	if err := template.Write(template.Options{Dir: i.Dir, Source: i.Source}); err != nil {
		return usageError{err}
	}
	fmt.Printf("%s is ready. Next:\n\n  cd %[1]s\n  go tool durago run\n  go test ./...\n", i.Dir)
	return nil
}
