package wrangler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
)

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

// Load reads and checks a configuration. The error holds every problem, a line each.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	c, err := Parse(file, b)
	if err != nil {
		return nil, err
	}
	c.Dir = filepath.Dir(file)
	return c, nil
}

// Parse reads a configuration from memory; the file's name decides the format.
func Parse(file string, b []byte) (*Config, error) {
	p := &problems{file: file, lines: map[string]int{}}
	tree, err := p.parse(b)
	if err != nil {
		return nil, err
	}
	p.checkObject("", tree, configSchema)
	if err := p.err(); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err) // a number that JSON does not have
	}
	c := &Config{File: file}
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, k := range c.KVNamespaces {
		if k.ID == "" {
			c.KVNamespaces[i].ID = k.Binding
		}
	}
	p.validate(c)
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// parse reads either format as a tree, and notes the line of each path.
func (p *problems) parse(b []byte) (tree map[string]any, err error) {
	if strings.HasSuffix(p.file, ".toml") {
		if _, err := toml.Decode(string(b), &tree); err != nil {
			var e toml.ParseError
			if errors.As(err, &e) {
				return nil, fmt.Errorf("%s:%d: %s", p.file, e.Position.Line, e.Message)
			}
			return nil, fmt.Errorf("%s: %w", p.file, err)
		}
		p.lines = tomlLines(string(b))
		return tree, nil
	}
	v, err := hujson.Parse(b)
	if err != nil {
		return nil, p.jsonError(err)
	}
	p.readJSONLines(b, "", &v)
	v.Standardize()
	if err := json.Unmarshal(v.Pack(), &tree); err != nil || tree == nil {
		return nil, fmt.Errorf("%s:%d: want an object, got something else", p.file, p.lines[""])
	}
	return tree, nil
}

// jsonError moves the position that hujson tells to where other errors have theirs.
func (p *problems) jsonError(err error) error {
	var line, column int
	text := err.Error()
	if _, scanned := fmt.Sscanf(text, "hujson: line %d, column %d:", &line, &column); scanned != nil {
		return fmt.Errorf("%s: %w", p.file, err)
	}
	_, text, _ = strings.Cut(text, ": line ")
	_, text, _ = strings.Cut(text, ": ")
	return fmt.Errorf("%s:%d: column %d: %s", p.file, line, column, text)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// readJSONLines notes the line of each value under its path, and keys that stand twice.
func (p *problems) readJSONLines(b []byte, path string, v *hujson.Value) {
	line := func(offset int) int { return 1 + bytes.Count(b[:min(offset, len(b))], []byte("\n")) }
	p.lines[path] = line(v.StartOffset)
	switch x := v.Value.(type) {
	case *hujson.Object:
		seen := map[string]bool{}
		for i := range x.Members {
			m := &x.Members[i]
			name := m.Name.Value.(hujson.Literal).String()
			at := join(path, name)
			p.readJSONLines(b, at, &m.Value)
			p.lines[at] = line(m.Name.StartOffset)
			if seen[name] {
				p.add(at, "the key stands twice")
			}
			seen[name] = true
		}
	case *hujson.Array:
		for i := range x.Elements {
			p.readJSONLines(b, path+"["+strconv.Itoa(i)+"]", &x.Elements[i])
		}
	}
}
