package wrangler

import (
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
	tree, lines, err := parse(file, b)
	if err != nil {
		return nil, err
	}
	p := &problems{file: file, lines: lines}
	p.checkObject("", tree, configSchema)
	if err := p.err(); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	c := &Config{File: file}
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.validate(c)
	return c, p.err()
}

// parse reads either format as a tree, with the line of each path.
func parse(file string, b []byte) (map[string]any, map[string]int, error) {
	if strings.HasSuffix(file, ".toml") {
		var tree map[string]any
		if _, err := toml.Decode(string(b), &tree); err != nil {
			var e toml.ParseError
			if errors.As(err, &e) {
				return nil, nil, fmt.Errorf("%s:%d: %s", file, e.Position.Line, e.Message)
			}
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		return tree, tomlLines(string(b)), nil
	}
	v, err := hujson.Parse(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	lines := map[string]int{}
	jsonLines(b, "", &v, lines)
	v.Standardize()
	var tree map[string]any
	if err := json.Unmarshal(v.Pack(), &tree); err != nil {
		return nil, nil, fmt.Errorf("%s: want an object: %w", file, err)
	}
	return tree, lines, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func jsonLines(b []byte, path string, v *hujson.Value, lines map[string]int) {
	lines[path] = 1 + strings.Count(string(b[:min(v.StartOffset, len(b))]), "\n")
	switch x := v.Value.(type) {
	case *hujson.Object:
		for i := range x.Members {
			m := &x.Members[i]
			if name, ok := m.Name.Value.(hujson.Literal); ok {
				p := join(path, name.String())
				jsonLines(b, p, &m.Value, lines)
				lines[p] = 1 + strings.Count(string(b[:min(m.Name.StartOffset, len(b))]), "\n")
			}
		}
	case *hujson.Array:
		for i := range x.Elements {
			jsonLines(b, path+"["+strconv.Itoa(i)+"]", &x.Elements[i], lines)
		}
	}
}

// tomlLines finds the lines of keys: tables, arrays of tables, and keys at the start of a line. What is inside an
// inline table has the line of the table.
func tomlLines(s string) map[string]int {
	lines := map[string]int{}
	counts := map[string]int{}
	table := ""
	for i, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "[["):
			name, _, _ := strings.Cut(strings.TrimPrefix(l, "[["), "]]")
			name = strings.TrimSpace(name)
			table = fmt.Sprintf("%s[%d]", name, counts[name])
			counts[name]++
			lines[table] = i + 1
		case strings.HasPrefix(l, "["):
			name, _, _ := strings.Cut(strings.TrimPrefix(l, "["), "]")
			table = strings.TrimSpace(name)
			lines[table] = i + 1
		default:
			if key, _, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
				lines[join(table, strings.Trim(strings.TrimSpace(key), `"'`))] = i + 1
			}
		}
	}
	return lines
}
