package main

import (
	"errors"
	"fmt"
	"os"

	"durago.example/build/wrangler"
)

// configFlag is what every command about a worker takes.
type configFlag struct {
	Config  string  `short:"c" type:"path" placeholder:"FILE" help:"The wrangler configuration; default: searched for as wrangler does."`
	Env     *string `short:"e" env:"CLOUDFLARE_ENV" placeholder:"NAME" help:"The environment of the configuration; default, and if empty, its top level."`
	Package string  `placeholder:"PKG" help:"The Go package of the program; default ./worker beside the configuration, else its folder."`
}

// configsFlag is what commands about several workers take.
type configsFlag struct {
	Config  []string `short:"c" type:"path" placeholder:"FILE" help:"A wrangler configuration; default: searched for as wrangler does. Of several each is a worker, and they reach each other by their names."`
	Env     *string  `short:"e" env:"CLOUDFLARE_ENV" placeholder:"NAME" help:"The environment of the configuration; default, and if empty, its top level."`
	Package string   `placeholder:"PKG" help:"The Go package of the program; default ./worker beside the configuration, else its folder."`
}

// each reads every configuration.
func (f *configsFlag) each(read func(*configFlag) (*wrangler.Config, error)) (list []*wrangler.Config, err error) {
	files := f.Config
	if len(files) == 0 {
		files = []string{""}
	}
	names := map[string]string{}
	for _, file := range files {
		c, err := read(&configFlag{Config: file, Env: f.Env})
		if err != nil {
			return nil, err
		}
		if other, ok := names[c.Name]; ok {
			return nil, usageError{fmt.Errorf("%s and %s have workers of the name %s: give one another name", other, c.File, c.Name)}
		}
		names[c.Name] = c.File
		list = append(list, c)
	}
	return list, nil
}

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// load reads the configuration. Only a command that is named warns that no environment was chosen.
func (f *configFlag) load(command string) (*wrangler.Config, error) {
	file := f.Config
	if file == "" {
		var err error
		if file, err = wrangler.Find("."); err != nil {
			return nil, usageError{err}
		}
	}
	e := wrangler.Environment{Command: command}
	if f.Env != nil {
		e.Name, e.TopLevel = *f.Env, true
	}
	c, err := e.Load(file)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// checked reads the configuration and prints the warnings. wrangler, which runs a [build] command without saying which
// environment it deploys, has warned already.
func (f *configFlag) checked(command string) (*wrangler.Config, error) {
	if os.Getenv("WRANGLER_COMMAND") != "" {
		command = ""
	}
	c, err := f.load(command)
	var wrong *wrangler.Error
	switch {
	case err == nil:
		warn(c.Warnings)
	case errors.As(err, &wrong):
		warn(wrong.Warnings)
	}
	return c, err
}

func warn(list []wrangler.Diagnostic) {
	for _, d := range list {
		fmt.Fprintln(os.Stderr, "durago: warning:", d.Error())
	}
}
