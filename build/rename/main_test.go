package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRename: the module under another path compiles, formatted and tidy, with nothing left of the old one; and back again it
// is what it was.
func TestRename(t *testing.T) {
	const to = "example.org/" + "someone/objects" // in parts: the way back must not change it
	from, dir := "../..", t.TempDir()
	before := map[string]string{}
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(from, path)
		require.NoError(t, err)
		if d.IsDir() {
			if slices.Contains(skipped, d.Name()) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		before[name] = string(b)
		return os.WriteFile(filepath.Join(dir, name), b, 0o644)
	}))
	old := strings.TrimPrefix(strings.SplitN(before["go.mod"], "\n", 2)[0], "module ")
	n, err := rename(dir, to)
	require.NoError(t, err)
	require.Greater(t, n, 400)
	for name := range before {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		if strings.Contains(string(b), old) {
			t.Errorf("%s still says %s", name, old)
		}
	}
	for _, command := range []string{"go vet ./objects/... ./build/...", "go build -o /dev/null ./host/cmd/durago"} {
		args := strings.Fields(command)
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", command, out)
	}
	_, err = rename(dir, old)
	require.NoError(t, err)
	for name, text := range before {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, text, string(b), name)
	}
}

// TestRename_refused: nothing is changed.
func TestRename_refused(t *testing.T) {
	dir := t.TempDir()
	_, err := rename(dir, "example.org/a")
	require.ErrorContains(t, err, "run it in the folder of go.mod")
	file := filepath.Join(dir, "go.mod")
	require.NoError(t, os.WriteFile(file, []byte("module a.example\n"), 0o644))
	for to, want := range map[string]string{
		"a.example":         "the module is a.example already",
		"Bad Path":          "malformed",
		"nodot":             "",
		"example.org/a/v2":  "ends in a version",
		"https://a.example": "malformed",
	} {
		_, err := rename(dir, to)
		require.ErrorContains(t, err, want, to)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.go"), []byte("package a.example/x\n"), 0o644))
	_, err = rename(dir, "example.org/a")
	require.ErrorContains(t, err, "broken.go")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "module a.example\n", string(b))
}
