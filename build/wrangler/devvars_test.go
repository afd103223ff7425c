package wrangler_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
)

// TestConfig_Local is what testdata/envfiles.txtar leaves out: files by name, the process's environment, and what goes
// wrong.
func TestConfig_Local(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".dev.vars": "A=dev", ".env": "A=env\nB=$HOME_OF", "own.env": "A=own", "other.env": "C=$A"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	without := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(without, ".env"), []byte("A=env\nB=$HOME_OF"), 0o600))
	vars := func(kv ...any) map[string]any {
		m := map[string]any{"A": "top"}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, row := range []struct {
		name    string
		dir     string
		options wrangler.LocalOptions
		secrets *wrangler.Secrets
		want    map[string]any
		missing []string
	}{
		{name: "files by name", dir: dir, options: wrangler.LocalOptions{Files: []string{"own.env", "other.env"}}, want: vars("A", "own", "C", "own")},
		{name: "the process stays out", dir: without, options: wrangler.LocalOptions{Environ: []string{"HOME_OF=me"}}, want: vars("A", "env", "B", "")},
		{name: "the process is let in", dir: without, options: wrangler.LocalOptions{Environ: []string{"HOME_OF=me", "CLOUDFLARE_INCLUDE_PROCESS_ENV=TRUE", "A=process"}},
			want: vars("A", "process", "B", "me", "HOME_OF", "me", "CLOUDFLARE_INCLUDE_PROCESS_ENV", "TRUE")},
		{name: "env files are left out", dir: without, options: wrangler.LocalOptions{Environ: []string{"CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV=false"}}, want: vars()},
		{name: "secrets from the process", dir: t.TempDir(), options: wrangler.LocalOptions{Environ: []string{"TOKEN=t", "OTHER=o"}},
			secrets: &wrangler.Secrets{Required: []string{"TOKEN", "KEY"}}, want: vars("TOKEN", "t"), missing: []string{"KEY"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &wrangler.Config{Dir: row.dir, Vars: map[string]any{"A": "top"}, Secrets: row.secrets}
			l, err := c.Local(row.options)
			require.NoError(t, err)
			require.Equal(t, row.want, l.Vars)
			require.Equal(t, row.missing, l.Missing)
		})
	}
	t.Run("a name that is bound", func(t *testing.T) {
		c := &wrangler.Config{Dir: dir, KVNamespaces: []wrangler.KVNamespace{{Binding: "A"}}}
		l, err := c.Local(wrangler.LocalOptions{})
		require.NoError(t, err)
		require.Equal(t, []string{"A"}, l.Bound)
		require.Empty(t, l.Vars)
	})
	t.Run("no such file", func(t *testing.T) {
		_, err := (&wrangler.Config{Dir: dir}).Local(wrangler.LocalOptions{Files: []string{"none.env"}})
		require.EqualError(t, err, "cannot read the variables: there is no file none.env beside the configuration")
	})
	t.Run("a folder", func(t *testing.T) {
		folder := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(folder, ".dev.vars"), 0o755))
		_, err := (&wrangler.Config{Dir: folder}).Local(wrangler.LocalOptions{})
		require.ErrorContains(t, err, "cannot read the variables: ")
	})
	t.Run("a switch that is neither", func(t *testing.T) {
		_, err := (&wrangler.Config{Dir: without}).Local(wrangler.LocalOptions{Environ: []string{"CLOUDFLARE_INCLUDE_PROCESS_ENV=yes"}})
		require.EqualError(t, err, `CLOUDFLARE_INCLUDE_PROCESS_ENV is "yes" in the environment: make it true or false`)
	})
}
