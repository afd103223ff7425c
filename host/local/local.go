// Package local reads a wrangler configuration as the options of a host: what durago run does, for programs that run a
// worker in a server of their own.
//
//	o, err := local.Options(local.Settings{File: "wrangler.toml", Environ: os.Environ()})
//	o.Wasm = app // of durago build
//	h, err := host.New(ctx, o)
//	http.Handle("/", h.Handler())
//
// It is apart from package host, which knows no configuration, and from package build, which knows no host.
package local

import (
	"path/filepath"
	"time"

	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/assets"
)

// Settings say what to read.
type Settings struct {
	File        string   // wrangler.toml, .jsonc or .json; default: searched for as wrangler does, from the current folder upwards
	Environment *string  // of the configuration; nil or empty is its top level
	EnvFiles    []string // with variables, beside the configuration; default .dev.vars, else .env files, as wrangler dev
	Environ     []string // the process's environment, as os.Environ has it, for variables that the configuration takes from there
}

// Options are those that a configuration has, with the variables of a local run. What is to run is left to be set: Program or
// Wasm. Dir is .durago/state beside the configuration. The error names file, line and column of each mistake.
func Options(s Settings) (host.Options, error) {
	file := s.File
	if file == "" {
		var err error
		if file, err = wrangler.Find("."); err != nil {
			return host.Options{}, err
		}
	}
	e := wrangler.Environment{TopLevel: true}
	if s.Environment != nil {
		e.Name = *s.Environment
	}
	c, err := e.Load(file)
	if err != nil {
		return host.Options{}, err
	}
	l, err := c.Local(wrangler.LocalOptions{Files: s.EnvFiles, Environ: s.Environ})
	if err != nil {
		return host.Options{}, err
	}
	return Of(c, l.Vars), nil
}

// Of is Options of a configuration that has been read.
func Of(c *wrangler.Config, vars map[string]any) host.Options {
	o := host.Options{Name: c.Name, Bindings: map[string]host.Binding{}, Vars: vars, KV: map[string]string{}, Services: map[string]host.Service{}, Dir: filepath.Join(c.Dir, ".durago", "state")}
	for _, k := range c.Classes() {
		o.Classes = append(o.Classes, host.Class{Name: k.Name, UniqueKey: k.UniqueKey})
	}
	for _, b := range c.DurableObjects.Bindings {
		o.Bindings[b.Name] = host.Binding{Class: b.ClassName, Worker: other(c, b.ScriptName)}
	}
	for _, x := range c.Services {
		o.Services[x.Binding] = host.Service{Worker: other(c, x.Service), Entrypoint: x.Entrypoint, Props: x.Props}
	}
	for _, k := range c.KVNamespaces {
		o.KV[k.Binding] = k.ID
	}
	if a := c.Assets; a != nil {
		o.Assets = &host.Assets{Binding: a.Binding, Options: assets.Options{Directory: filepath.Join(c.Dir, filepath.FromSlash(a.Directory)),
			HTMLHandling: a.HTMLHandling, NotFoundHandling: a.NotFoundHandling, WorkerFirst: a.RunWorkerFirst == true, Navigations: c.Enabled("assets_navigation_prefers_asset_serving")}}
		if list, ok := a.RunWorkerFirst.([]any); ok {
			for _, rule := range list {
				o.Assets.WorkerRoutes = append(o.Assets.WorkerRoutes, rule.(string))
			}
		}
	}
	if ms := c.Limits.CPUMS; ms > 0 {
		o.CPULimit = time.Duration(ms) * time.Millisecond
	}
	return o
}

// other is the worker of a name if that is not c itself.
func other(c *wrangler.Config, name string) string {
	if name == c.Name {
		return ""
	}
	return name
}
