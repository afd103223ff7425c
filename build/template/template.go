// Package template writes a new project: a module whose worker builds, runs and passes its test as it is. The files are
// embedded; only names and versions are filled in. It never overwrites anything.
package template

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// files end in .txt, so that Go takes none of them for its own.
//
//go:embed all:files
var files embed.FS

// modulePath is what a project requires.
const modulePath = "durago.example"

// Options of a new project.
type Options struct {
	Dir    string // must be empty, or not there; its last element names the worker and the module
	Source string // the folder of durago's own module, which go.mod replaces it with: it has no public path yet
}

var projectName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Write makes the project. If it fails, nothing is left of it.
func Write(o Options) (err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	name := filepath.Base(dir)
	if !projectName.MatchString(name) {
		return fmt.Errorf("a worker cannot be named %q: use lower-case letters, digits and dashes, and begin with a letter", name)
	}
	source, err := filepath.Abs(o.Source)
	if err != nil {
		return err
	}
	mod, sum, err := requirements(source)
	if err != nil {
		return err
	}
	switch list, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot use the folder: %w", err)
	case len(list) > 0:
		return fmt.Errorf("%s is not empty: choose a folder that is, or a new one", o.Dir)
	}
	all := map[string][]byte{
		"go.mod": []byte("module " + name + "\n\n" + mod + "\nreplace " + modulePath + " => " + source + "\n\ntool " + modulePath + "/host/cmd/durago\n"),
		"go.sum": sum,
	}
	err = fs.WalkDir(files, "files", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(path)
		path = strings.TrimSuffix(strings.TrimPrefix(path, "files/"), ".txt")
		all[path] = bytes.ReplaceAll(b, []byte("{{name}}"), []byte(name))
		return err
	})
	if err != nil {
		return err
	}
	return write(dir, all)
}

// requirements are the lines of a go.mod that the project needs, at durago's own versions, and the sums for them: the
// project builds without the network wherever durago does.
func requirements(source string) (mod string, sum []byte, err error) {
	b, err := os.ReadFile(filepath.Join(source, "go.mod"))
	first, rest, _ := strings.Cut(string(b), "\n")
	if err != nil || strings.TrimSpace(first) != "module "+modulePath {
		return "", nil, fmt.Errorf("%s is not the folder of the module %s: name it with --source", source, modulePath)
	}
	if sum, err = os.ReadFile(filepath.Join(source, "go.sum")); err != nil {
		return "", nil, err
	}
	var out strings.Builder
	inside := false
	for line := range strings.Lines(strings.TrimSpace(rest) + "\n") {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "go "):
			out.WriteString(line + "\n\nrequire " + modulePath + " v0.0.0\n\n")
		case strings.HasPrefix(line, "require ("):
			inside = true
			out.WriteString(line + "\n")
		case inside && line == ")":
			inside = false
			out.WriteString(")\n")
		case inside:
			line, _, _ = strings.Cut(line, " // ")
			out.WriteString(line + " // indirect\n")
		}
	}
	return out.String(), sum, nil
}

// write makes the files, or none.
func write(dir string, files map[string][]byte) (err error) {
	_, before := os.Stat(dir)
	var made []string
	defer func() {
		if err == nil {
			return
		}
		err = fmt.Errorf("cannot write the project: %w", err)
		if before != nil {
			err = errors.Join(err, os.RemoveAll(dir))
			return
		}
		for _, path := range made {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		top, _, _ := strings.Cut(name, "/")
		made = append(made, filepath.Join(dir, top))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
