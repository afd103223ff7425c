package wrangler_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
)

const whole = `
"$schema" = "node_modules/wrangler/config-schema.json"
name = "whole"
main = "build/dist/whole/worker.mjs"
account_id = "0123"
compatibility_date = "2026-11-17"
compatibility_flags = ["nodejs_compat"]
no_bundle = true
find_additional_modules = true
base_dir = "build"
workers_dev = true
preview_urls = false
send_metrics = false
limits = { cpu_ms = 50 }
build = { command = "make", cwd = ".", watch_dir = "src" }
dev = { ip = "0.0.0.0", port = 9000 }
placement = { mode = "smart" }

[[rules]]
type = "CompiledWasm"
globs = ["**/*.wasm"]
fallthrough = true

[durable_objects]
bindings = [ { name = "ROOM", class_name = "Room", script_name = "whole" } ]

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Old", "Gone"]

[[migrations]]
tag = "v2"
renamed_classes = [ { from = "Old", to = "Room" } ]
deleted_classes = ["Gone"]

[vars]
WORD = "hello"
LIST = [1, 2.5, "three"]

[[kv_namespaces]]
binding = "STORE"
id = "abc"
preview_id = "def"

[[kv_namespaces]]
binding = "OTHER"

[[services]]
binding = "ADMIN"
service = "whole"
entrypoint = "Admin"
props = { may = ["read", 1] }

[observability]
enabled = true

[triggers]
crons = ["0 * * * *"]
`

const wholeJSON = `{
	// The same, with comments and a comma too many.
	"$schema": "node_modules/wrangler/config-schema.json",
	"name": "whole", "main": "build/dist/whole/worker.mjs", "account_id": "0123",
	"compatibility_date": "2026-11-17", "compatibility_flags": ["nodejs_compat"],
	"no_bundle": true, "find_additional_modules": true, "base_dir": "build",
	"workers_dev": true, "preview_urls": false, "send_metrics": false,
	"limits": {"cpu_ms": 50},
	"build": {"command": "make", "cwd": ".", "watch_dir": "src"},
	"dev": {"ip": "0.0.0.0", "port": 9000},
	"placement": {"mode": "smart"},
	"rules": [{"type": "CompiledWasm", "globs": ["**/*.wasm"], "fallthrough": true}],
	"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room", "script_name": "whole"}]},
	"migrations": [
		{"tag": "v1", "new_sqlite_classes": ["Old", "Gone"]},
		{"tag": "v2", "renamed_classes": [{"from": "Old", "to": "Room"}], "deleted_classes": ["Gone"]},
	],
	"vars": {"WORD": "hello", "LIST": [1, 2.5, "three"]},
	"kv_namespaces": [{"binding": "STORE", "id": "abc", "preview_id": "def"}, {"binding": "OTHER"}],
	"services": [{"binding": "ADMIN", "service": "whole", "entrypoint": "Admin", "props": {"may": ["read", 1]}}],
	"observability": {"enabled": true},
	"triggers": {"crons": ["0 * * * *"]},
}`

// TestParse_formats reads one configuration, with every key that durago knows, from all three formats.
func TestParse_formats(t *testing.T) {
	for file, text := range map[string]string{"a.toml": whole, "a.jsonc": wholeJSON, "a.json": wholeJSON} {
		t.Run(file, func(t *testing.T) {
			c, err := wrangler.Parse(file, []byte(text))
			require.NoError(t, err)
			require.Equal(t, "false", string(*c.SendMetrics))
			c.SendMetrics = nil
			require.Equal(t, &wrangler.Config{
				File: file, Schema: "node_modules/wrangler/config-schema.json", Name: "whole", Main: "build/dist/whole/worker.mjs", AccountID: "0123",
				CompatibilityDate: "2026-11-17", CompatibilityFlags: []string{"nodejs_compat"},
				NoBundle: true, FindModules: true, BaseDir: "build", WorkersDev: true,
				Limits:    wrangler.Limits{CPUMS: 50},
				Build:     wrangler.Build{Command: "make", Cwd: ".", WatchDir: wrangler.Paths{"src"}},
				Dev:       wrangler.Dev{IP: "0.0.0.0", Port: 9000},
				Placement: map[string]any{"mode": "smart"},
				Rules:     []wrangler.Rule{{Type: "CompiledWasm", Globs: []string{"**/*.wasm"}, Fallthrough: true}},
				DurableObjects: wrangler.DurableObjects{Bindings: []wrangler.Binding{
					{Name: "ROOM", ClassName: "Room", ScriptName: "whole"}}},
				Migrations: []wrangler.Migration{
					{Tag: "v1", NewSQLiteClasses: []string{"Old", "Gone"}},
					{Tag: "v2", RenamedClasses: []wrangler.Rename{{From: "Old", To: "Room"}}, DeletedClasses: []string{"Gone"}},
				},
				Vars: map[string]any{"WORD": "hello", "LIST": []any{1.0, 2.5, "three"}},
				KVNamespaces: []wrangler.KVNamespace{{Binding: "STORE", ID: "abc", PreviewID: "def"},
					{Binding: "OTHER", ID: "OTHER"}},
				Services: []wrangler.Service{{Binding: "ADMIN", Service: "whole", Entrypoint: "Admin",
					Props: map[string]any{"may": []any{"read", 1.0}}}},
				Observability: map[string]any{"enabled": true},
				Triggers:      wrangler.Triggers{Crons: []string{"0 * * * *"}},
			}, c)
			require.Equal(t, []wrangler.Class{{Name: "Room", SQLite: true, UniqueKey: "whole-Room"}}, c.Classes())
		})
	}
}

// TestFind is wrangler's order: the format before the distance.
func TestFind(t *testing.T) {
	for _, row := range []struct {
		name  string
		files string
		want  string
	}{
		{"toml", "a/b/wrangler.toml", "wrangler.toml"},
		{"jsonc before toml", "a/b/wrangler.toml a/b/wrangler.jsonc", "wrangler.jsonc"},
		{"json before jsonc", "a/b/wrangler.jsonc a/b/wrangler.json", "wrangler.json"},
		{"a folder above", "a/wrangler.toml", "a/wrangler.toml"},
		{"json above before toml here", "a/b/wrangler.toml wrangler.json", "wrangler.json above"},
		{"the nearest of one format", "a/wrangler.toml wrangler.toml", "a/wrangler.toml"},
	} {
		t.Run(row.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "a", "b")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			for _, f := range strings.Fields(row.files) {
				require.NoError(t, os.WriteFile(filepath.Join(root, f), nil, 0o644))
			}
			want := filepath.Join(dir, row.want)
			if strings.HasPrefix(row.want, "a/") {
				want = filepath.Join(root, row.want)
			} else if f, above := strings.CutSuffix(row.want, " above"); above {
				want = filepath.Join(root, f)
			}
			got, err := wrangler.Find(dir)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	t.Run("none", func(t *testing.T) {
		dir := t.TempDir()
		_, err := wrangler.Find(dir)
		require.EqualError(t, err, "no wrangler.toml, wrangler.jsonc or wrangler.json in "+dir+" or above: write one, or name it with -c")
	})
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wrangler.toml")
	require.NoError(t, os.WriteFile(file, []byte("name = \"a\"\ncompatibility_date = \"2026-11-17\"\n"), 0o644))
	c, err := wrangler.Load(file)
	require.NoError(t, err)
	require.Equal(t, dir, c.Dir)
	require.Equal(t, file, c.File)
	_, err = wrangler.Load(filepath.Join(dir, "other.toml"))
	require.ErrorContains(t, err, "cannot read the configuration: open ")
}

// TestLoad_notYet is what Parse understands and durago does not run yet.
func TestLoad_notYet(t *testing.T) {
	const text = `name = "w"
compatibility_date = "2026-11-17"
assets = { directory = "public", base_path = "/x" }
durable_objects.bindings = [{ name = "ROOM", class_name = "Room", script_name = "back" }]
[[services]]
binding = "BACK"
service = "back"
[[services]]
binding = "OWN"
service = "w"
[exports.Admin]
type = "worker"
`
	file := filepath.Join(t.TempDir(), "wrangler.toml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	_, err := wrangler.Parse(file, []byte(text))
	require.NoError(t, err)
	_, err = wrangler.Load(file)
	require.EqualError(t, err, file+`:3:12: assets.directory: The directory specified by the "assets.directory" field in your configuration file does not exist: `+filepath.Join(filepath.Dir(file), "public")+"\n"+
		file+":3:34: assets.base_path: durago serves static files at the root only: remove this key from the configuration that durago reads\n"+
		file+":11:10: exports.Admin: entrypoints are the program's Services: remove the entry from the configuration that durago reads")
}

// TestConfig_Enabled: a flag is on by its date or its name, unless its opposite is named.
func TestConfig_Enabled(t *testing.T) {
	c := func(date string, flags ...string) *wrangler.Config {
		return &wrangler.Config{CompatibilityDate: date, CompatibilityFlags: flags}
	}
	require.True(t, c("2026-02-24").Enabled("delete_all_deletes_alarm"))
	require.False(t, c("2026-02-23").Enabled("delete_all_deletes_alarm"))
	require.True(t, c("2026-02-23", "delete_all_deletes_alarm").Enabled("delete_all_deletes_alarm"))
	require.False(t, c("2026-02-24", "delete_all_preserves_alarm").Enabled("delete_all_deletes_alarm"))
	require.True(t, c("2026-02-24", "some_flag").Enabled("some_flag"))
	require.False(t, c("2026-02-24").Enabled("some_flag"))
}
