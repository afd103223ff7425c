// Command rename gives the module another path, in every file that says it: go.mod, imports, documents, tests and the
// template of new projects.
//
//	go run ./build/rename github.com/you/durago
//
// It changes all files or, where it cannot, none.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./build/rename MODULE, from the folder of go.mod")
		os.Exit(2)
	}
	n, err := rename(".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
	fmt.Printf("the module is %s now: %d files were changed; go test ./... shows that nothing is left\n", os.Args[1], n)
}

// rename changes the files of the module in dir, and returns how many.
func rename(dir, to string) (int, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return 0, fmt.Errorf("run it in the folder of go.mod: %w", err)
	}
	from := modfile.ModulePath(mod)
	if err := module.CheckPath(to); err != nil {
		return 0, err
	}
	if prefix, version, ok := module.SplitPathVersion(to); ok && version != "" {
		return 0, fmt.Errorf("%s ends in a version: the module is of version 0 or 1, whose path has none, as %s", to, prefix)
	}
	if from == to {
		return 0, fmt.Errorf("the module is %s already", to)
	}
	changed, err := changes(dir, from, to)
	if err != nil {
		return 0, err
	}
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		info, err := os.Stat(path)
		if err == nil {
			err = os.WriteFile(path, changed[path], info.Mode())
		}
		if err != nil {
			return 0, fmt.Errorf("some files have been changed and others not, run it again: %w", err)
		}
	}
	return len(changed), nil
}

// skipped are folders whose files are nobody's source.
var skipped = []string{".git", ".tools", ".durago", "node_modules", "dist"}

// changes are the files that say the path, as they will be.
func changes(dir, from, to string) (map[string][]byte, error) {
	// A path that goes on is another's.
	said := regexp.MustCompile(`(^|[^A-Za-z0-9._/-])` + regexp.QuoteMeta(from) + `([^A-Za-z0-9_-]|$)`)
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(b, 0) >= 0 || !said.Match(b) {
			return err
		}
		b = said.ReplaceAll(b, []byte("${1}"+strings.ReplaceAll(to, "$", "$$")+"${2}"))
		if strings.HasSuffix(path, ".go") {
			formatted, err := format.Source(b) // comments behind fields may move
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			b = formatted
		}
		out[path] = b
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("no file says " + from)
	}
	return out, err
}
