package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Load reads the graph of packages from the go command, for one platform. dir is the root of the module; patterns are
// the go command's.
func Load(ctx context.Context, dir, goos, goarch string, patterns ...string) (Graph, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Imports,Module,GoFiles,IgnoredGoFiles"}, patterns...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	g := Graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                  string
			Imports, GoFiles, IgnoredGoFiles []string
			Module                           *struct{ Path string }
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		q := &Package{}
		for _, i := range p.Imports {
			q.Imports = append(q.Imports, relative(i))
		}
		if p.Module != nil && p.Module.Path == Module {
			if q.Files, err = imports(p.Dir, append(p.GoFiles, p.IgnoredGoFiles...)); err != nil {
				return nil, err
			}
		}
		g[relative(p.ImportPath)] = q
	}
}

func relative(importPath string) string { return strings.TrimPrefix(importPath, Module+"/") }

// imports reads the imports of files, whatever platform they are for; tests are left out.
func imports(dir string, names []string) (map[string][]string, error) {
	files := map[string][]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return nil, err
			}
			files[name] = append(files[name], relative(p))
		}
	}
	return files, nil
}
