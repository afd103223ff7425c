package wrangler_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
)

// FuzzParse: whatever the bytes, Parse returns, with a configuration or an error and never with both, and every
// diagnostic is inside the file, and at its key if that is what it is about. Coverage depends on the order of maps, so that minimizing takes long: run it with
// -fuzzminimizetime 10x.
func FuzzParse(f *testing.F) {
	f.Add(true, "", []byte(whole))
	f.Add(false, "staging", []byte(wholeJSON))
	f.Add(true, "staging", []byte("a.\"b\".'c' = [[{d = \"\"\"\"\"\"\"}]]\n[x]\n[[x.y]]\n[x.y.z]\n[env.staging]\nvars = 1"))
	f.Add(true, "0", []byte("a.\"\\"))
	f.Add(true, "", []byte("\"\\e\\u00e9\" = 1\n'\\' = 2"))
	f.Add(false, "", []byte(`{"migrations": [{"tag": 1}], "vars": null, "durable_objects": {"bindings": [null]}}`))
	f.Add(false, "e", []byte(`{"name": "w", "env": {"e": {"exports": {"": {"type": "durable-object", "state": "renamed"}}}}}`))
	f.Fuzz(func(t *testing.T, isTOML bool, env string, b []byte) {
		file := "f.jsonc"
		if isTOML {
			file = "f.toml"
		}
		before := string(b)
		c, err := wrangler.Environment{Name: env, Command: "deploy"}.Parse(file, b)
		require.Equal(t, before, string(b))
		require.Equal(t, err != nil, c == nil)
		var all []wrangler.Diagnostic
		if e := (*wrangler.Error)(nil); errors.As(err, &e) {
			require.NotEmpty(t, e.Mistakes)
			all = append(e.Mistakes, e.Warnings...)
		} else {
			require.NoError(t, err)
			all = c.Warnings
		}
		lines := strings.Split(strings.TrimPrefix(string(b), "\ufeff"), "\n")
		for _, d := range all {
			require.True(t, strings.HasPrefix(d.Error(), file), "%q begins with the file", d.Error())
			require.NotContains(t, d.Text, "\n")
			require.LessOrEqual(t, d.Line, len(lines), "%v", d)
			require.Equal(t, d.Line > 0, d.Column > 0, "%v", d)
			if strings.HasPrefix(d.Text, "unknown key") && d.Key != "" {
				line := string([]rune(lines[d.Line-1])[d.Column-1:])
				name := d.Key[strings.LastIndex(d.Key, ".")+1:]
				require.True(t, line != "" && strings.ContainsAny(line[:1], "\"'") || strings.HasPrefix(line, name), "%v, where the file has %q", d, line)
			}
		}
	})
}

// FuzzConfig_Local: whatever an environment file holds, it is read; what it says of other names than those of the
// configuration's secrets is left out.
func FuzzConfig_Local(f *testing.F) {
	f.Add([]byte("A=1\nexport B = '2' # c\nC: \"a\nb\""), []byte("A=$A ${B:-x}\nB=\\$A"))
	f.Add([]byte("\"'`=\n=\n\r'A'='''"), []byte("A=${A}${A:+$A}\nA=$$"))
	f.Fuzz(func(t *testing.T, devVars, dotenv []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), devVars, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), dotenv, 0o600))
		c := &wrangler.Config{Dir: dir, Secrets: &wrangler.Secrets{Required: []string{"A"}}}
		l, err := c.Local(wrangler.LocalOptions{Files: []string{"a", "b"}, Environ: []string{"A=${A}y"}})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{"A": true}, l.Secret)
		c.Secrets = nil
		l, err = c.Local(wrangler.LocalOptions{Files: []string{"b"}})
		require.NoError(t, err)
		require.Len(t, l.Secret, len(l.Vars))
	})
}
