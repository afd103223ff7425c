package template_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/template"
)

// TestWrite is what goes wrong, and that nothing is left then; that a project builds and runs is the script
// stranger.txtar of host/cmd/durago.
func TestWrite(t *testing.T) {
	source, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	t.Run("into an empty folder", func(t *testing.T) {
		empty := filepath.Join(dir, "empty")
		require.NoError(t, os.Mkdir(empty, 0o755))
		require.NoError(t, template.Write(template.Options{Dir: empty, Source: source}))
		b, err := os.ReadFile(filepath.Join(empty, "wrangler.toml"))
		require.NoError(t, err)
		require.Contains(t, string(b), "name = \"empty\"\n")
	})
	for _, row := range []struct{ name, dir, source, want string }{
		{"a name", "Bad", source, `a worker cannot be named "Bad": use lower-case letters, digits and dashes, and begin with a letter`},
		{"a source", "a", dir, dir + " is not the folder of the module durago.example: name it with --source"},
		{"a file", "file", source, "cannot use the folder: "},
		{"a folder in a file", "file/a", source, "cannot use the folder: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
			require.ErrorContains(t, template.Write(template.Options{Dir: filepath.Join(dir, row.dir), Source: row.source}), row.want)
			_, err := os.Stat(filepath.Join(dir, "a"))
			require.ErrorIs(t, err, os.ErrNotExist)
		})
	}
}
