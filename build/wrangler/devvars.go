package wrangler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LocalOptions say where the variables of a local run come from.
type LocalOptions struct {
	Files   []string // environment files beside the configuration, read in order, in the place of the default ones
	Environ []string // the process's own environment, as os.Environ has it
}

// Local are the variables of a worker that runs on this machine.
type Local struct {
	Vars    map[string]any  // those of the configuration, and what the files say in their place
	Secret  map[string]bool // names whose values must not be shown
	Files   []string        // that were read
	Missing []string        // secrets of secrets.required that have no value
	Bound   []string        // names that a file gives a value, and that the configuration binds to something else
}

// Local reads what wrangler dev reads: .dev.vars.ENV beside the configuration, or else .dev.vars, or else .env,
// .env.local, .env.ENV and .env.ENV.local one over the other. If the configuration has secrets, only names that it has in
// vars or secrets.required are taken, from the process's environment too. Of that environment two variables are switches:
// CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV=false leaves .env files out, CLOUDFLARE_INCLUDE_PROCESS_ENV=true takes the whole
// of it in. See https://developers.cloudflare.com/workers/development-testing/environment-variables/.
//
// It fails if a file cannot be read, if one of Files is not there, and if a switch is neither true nor false.
func (c *Config) Local(o LocalOptions) (*Local, error) {
	l := &Local{Vars: map[string]any{}, Secret: map[string]bool{}}
	for k, v := range c.Vars {
		l.Vars[k] = v
	}
	values, err := l.read(c, o)
	if err != nil {
		return nil, err
	}
	required := c.Secrets.Names()
	taken := l.others(c)
	for _, v := range values {
		_, isVar := c.Vars[v.name]
		switch {
		case c.Secrets != nil && !isVar && !slices.Contains(required, v.name):
		case taken[v.name]:
			l.Bound = append(l.Bound, v.name)
		default:
			l.Vars[v.name], l.Secret[v.name] = v.value, true
		}
	}
	for _, name := range required {
		if !l.Secret[name] {
			l.Missing = append(l.Missing, name)
		}
	}
	return l, nil
}

// others are the names of what is bound that is no variable.
func (l *Local) others(c *Config) map[string]bool {
	taken := map[string]bool{}
	for _, b := range c.DurableObjects.Bindings {
		taken[b.Name] = true
	}
	for _, b := range c.KVNamespaces {
		taken[b.Binding] = true
	}
	for _, b := range c.Services {
		taken[b.Binding] = true
	}
	if c.Assets != nil {
		taken[c.Assets.Binding] = true
	}
	return taken
}

func (l *Local) read(c *Config, o LocalOptions) ([]variable, error) {
	if len(o.Files) == 0 {
		for _, name := range devVars(c.Env) {
			if list, ok, err := l.file(c, name); ok || err != nil {
				return list, err
			}
		}
	}
	process := map[string]string{}
	var names []string
	for _, s := range o.Environ {
		if name, value, ok := strings.Cut(s, "="); ok {
			process[name] = value
			names = append(names, name)
		}
	}
	load, err := boolean(process, "CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", true)
	if err != nil || !load {
		return nil, err
	}
	include, err := boolean(process, "CLOUDFLARE_INCLUDE_PROCESS_ENV", false)
	if err != nil {
		return nil, err
	}
	if c.Secrets == nil && !include {
		names, process = nil, nil
	}
	files := o.Files
	if len(files) == 0 {
		files = dotenvFiles(c.Env)
	}
	var all []variable
	for _, name := range files {
		list, ok, err := l.file(c, name)
		if err != nil {
			return nil, err
		}
		if !ok && len(o.Files) > 0 {
			return nil, fmt.Errorf("cannot read the variables: there is no file %s beside the configuration", name)
		}
		for _, v := range list {
			all = set(all, v)
		}
	}
	all = expand(all, process)
	for _, name := range names {
		if !slices.ContainsFunc(all, func(v variable) bool { return v.name == name }) {
			all = append(all, variable{name, process[name]})
		}
	}
	return all, nil
}

// boolean reads a switch.
func boolean(process map[string]string, name string, otherwise bool) (bool, error) {
	switch value, ok := process[name]; {
	case !ok:
		return otherwise, nil
	case strings.EqualFold(value, "true"), strings.EqualFold(value, "false"):
		return strings.EqualFold(value, "true"), nil
	default:
		return false, fmt.Errorf("%s is %q in the environment: make it true or false", name, value)
	}
}

func devVars(env string) []string {
	if env == "" {
		return []string{".dev.vars"}
	}
	return []string{".dev.vars." + env, ".dev.vars"}
}

func dotenvFiles(env string) []string {
	files := []string{".env", ".env.local"}
	if env != "" {
		files = append(files, ".env."+env, ".env."+env+".local")
	}
	return files
}

// file reads an environment file beside the configuration, if it is there.
func (l *Local) file(c *Config, name string) ([]variable, bool, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, name)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read the variables: %w", err)
	}
	l.Files = append(l.Files, path)
	return parseDotenv(string(b)), true, nil
}
