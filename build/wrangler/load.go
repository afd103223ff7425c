package wrangler

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Environment says which environment of a file is meant. Its zero value is the top level.
type Environment struct {
	Name     string // "" is the top level
	TopLevel bool   // the top level is meant, though there are environments
	Command  string // what to name in the warning that no environment was chosen; "" leaves the warning out
}

// Find looks for a configuration as wrangler does: from dir upwards for wrangler.json, then .jsonc, then .toml.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"} {
		for d := abs; ; d = filepath.Dir(d) {
			p := filepath.Join(d, name)
			if _, err := os.Stat(p); err == nil {
				if rel, err := filepath.Rel(abs, p); err == nil && !strings.HasPrefix(rel, "..") {
					return filepath.Join(dir, rel), nil
				}
				return p, nil
			}
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	return "", fmt.Errorf("no wrangler.toml, wrangler.jsonc or wrangler.json in %s or above: write one, or name it with -c", abs)
}

// Load reads the top level of a configuration that durago can run. If something is wrong with it, the error is an *Error,
// with every mistake.
func Load(file string) (*Config, error) { return Environment{}.Load(file) }

// Parse reads the top level of a configuration from memory; the file's name decides the format. It takes all that Load
// takes, and what concerns other workers and static files, which durago does not run yet.
func Parse(file string, b []byte) (*Config, error) { return Environment{}.Parse(file, b) }

// Load reads the environment of a configuration as Load does.
func (e Environment) Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	c, p, err := e.parse(file, b)
	if err != nil {
		return nil, err
	}
	p.checkRunnable(c)
	if err := p.err(); err != nil {
		return nil, err
	}
	c.Dir = filepath.Dir(file)
	return c, nil
}

// Parse reads the environment of a configuration as Parse does.
func (e Environment) Parse(file string, b []byte) (*Config, error) {
	c, _, err := e.parse(file, b)
	return c, err
}

func (e Environment) parse(file string, b []byte) (*Config, *problems, error) {
	p := &problems{file: file, places: map[string]place{}}
	root, err := p.parse(b)
	if err != nil {
		return nil, nil, err
	}
	values := p.environment(root, e)
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, nil, p.syntax(0, 0, err.Error())
	}
	c := &Config{File: file, Env: e.Name}
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, nil, p.syntax(0, 0, err.Error())
	}
	p.validate(c)
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	for i, k := range c.KVNamespaces {
		if k.ID == "" {
			c.KVNamespaces[i].ID = k.Binding
		}
	}
	_, c.Warnings = p.sorted()
	return c, p, nil
}

// validate checks what concerns the whole, once the parts are right.
func (p *problems) validate(c *Config) {
	if c.Name == "" {
		p.own(p.place(c, "name"), "the worker needs a name: add name = \"my-worker\"")
	}
	if c.CompatibilityDate == "" {
		p.own(p.place(c, "compatibility_date"), "the worker needs a date such as compatibility_date = \"2026-11-17\"")
	}
	p.checkLifecycle(c)
	p.checkNames(c)
	p.checkCompatibility(c)
}

// place is the key under which an effective value stands in the file: the environment's, or the top level's.
func (p *problems) place(c *Config, key string) string {
	first := key
	if i := strings.IndexAny(key, ".["); i >= 0 {
		first = key[:i]
	}
	if _, ok := p.places["env."+c.Env+"."+first]; ok && c.Env != "" {
		return "env." + c.Env + "." + key
	}
	return key
}
