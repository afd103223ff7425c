package build_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
)

// contents are the files of a folder, and of folders in it.
func contents(t *testing.T, dir string) map[string]string {
	m := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			m[rel] = "/"
			return nil
		}
		b, err := os.ReadFile(path)
		m[rel] = string(b)
		return err
	}))
	return m
}

// TestWrite: all files are written or none, and files of others stay.
func TestWrite(t *testing.T) {
	files := map[string][]byte{"a": []byte("new a"), "b": []byte("new b"), "c": []byte("new c")}
	t.Run("new", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "x", "y")
		require.NoError(t, build.Write(dir, files))
		require.Equal(t, map[string]string{"a": "new a", "b": "new b", "c": "new c"}, contents(t, dir))
	})
	t.Run("again", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"a": "old a", "mine": "mine"})
		require.NoError(t, build.Write(dir, files))
		require.Equal(t, map[string]string{"a": "new a", "b": "new b", "c": "new c", "mine": "mine"}, contents(t, dir))
	})
	t.Run("a folder in the place of a file", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"a": "old a", "c/mine": "mine"})
		require.EqualError(t, build.Write(dir, files), "cannot write the build: "+filepath.Join(dir, "c")+" is a directory: choose another place with --out")
		require.Equal(t, map[string]string{"a": "old a", "c": "/", "c/mine": "mine"}, contents(t, dir), "a is back, b was not there")
	})
	t.Run("a file in the place of the folder", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"out": "mine"})
		err := build.Write(filepath.Join(dir, "out"), files)
		require.ErrorContains(t, err, "cannot write the build: mkdir ")
		require.ErrorContains(t, err, ": choose another place with --out")
		require.Equal(t, map[string]string{"out": "mine"}, contents(t, dir))
	})
	t.Run("folders", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"x/a": "old a", "x/mine": "mine"})
		require.NoError(t, build.Write(dir, map[string][]byte{"x/a": []byte("new a"), "y/b": []byte("new b"), "c": []byte("new c")}))
		require.Equal(t, map[string]string{"x": "/", "x/a": "new a", "x/mine": "mine", "y": "/", "y/b": "new b", "c": "new c"}, contents(t, dir))
	})
	t.Run("folders, and a file in the place of one", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"y": "mine"})
		require.ErrorContains(t, build.Write(dir, map[string][]byte{"x/a": []byte("new a"), "y/b": []byte("new b")}), ": choose another place with --out")
		require.Equal(t, map[string]string{"y": "mine"}, contents(t, dir), "the folder is gone again")
	})
	t.Run("a name that cannot be written", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"a": "old a"})
		require.Error(t, build.Write(dir, map[string][]byte{"a": []byte("new a"), "no\x00name": nil}))
		require.Equal(t, map[string]string{"a": "old a"}, contents(t, dir))
	})
}

func put(t *testing.T, dir string, files map[string]string) {
	for name, text := range files {
		p := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, []byte(text), 0o644))
	}
}
