package build_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/shim"
	"durago.example/build/wrangler"
	"durago.example/wasm/abi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everything is a configuration with one of each thing that a generated file shows.
const everything = `{
	"name": "every-thing",
	"compatibility_date": "2026-11-17",
	"compatibility_flags": ["nodejs_compat", "experimental"],
	"durable_objects": {"bindings": [
		{"name": "ROOM", "class_name": "Room"},
		{"name": "OTHER_ROOM", "class_name": "Room"},
		{"name": "QUIET", "class_name": "$Quiet1"}
	]},
	"migrations": [{"tag": "v1", "new_sqlite_classes": ["Room", "$Quiet1", "Unbound"]}],
	"services": [
		{"binding": "SELF", "service": "every-thing"},
		{"binding": "ADMIN", "service": "every-thing", "entrypoint": "Admin", "props": {"may": ["read", "\"w\""]}}
	],
	"kv_namespaces": [{"binding": "A_1", "id": "first"}, {"binding": "A1"}, {"binding": "a_1", "id": "sec\"ond"}],
	"secrets": {"required": ["TOKEN"]},
	"vars": {
		"WORD": "<b>\"q\" & \\ back\nline\u0001 é</b>",
		"NUMBER": 3.5,
		"LIST": ["<", {"deep": null}]
	}
}`

func everythingConfig(t *testing.T) *wrangler.Config {
	c, err := wrangler.Parse("wrangler.jsonc", []byte(everything))
	require.NoError(t, err)
	return c
}

func everythingManifest() *abi.Manifest {
	param := func(name, kind string) abi.ManifestParam { return abi.ManifestParam{Name: name, Type: kind} }
	return &abi.Manifest{ABI: abi.Version, Fetch: true, Scheduled: true, Classes: []abi.ManifestClass{
		{Name: "Room", Alarm: true, Fetch: true, Methods: []abi.ManifestMethod{
			{Name: "list", Result: "{ id: string; at?: Date; }[]"},
			{Name: "delete", Params: []abi.ManifestParam{param("key", "string"), param("$force", "boolean | null")}, Result: "void"},
			{Name: "four", Params: []abi.ManifestParam{param("a", "number"), param("b", "bigint"), param("c", "ArrayBuffer"), param("d", "any")}, Result: "any"},
		}},
		{Name: "$Quiet1"},
		{Name: "Unbound", Message: true},
	}, Services: []abi.ManifestClass{
		{Name: "Admin", Fetch: true, Methods: []abi.ManifestMethod{{Name: "open", Result: "Cursor"}}},
	}, Targets: []abi.ManifestClass{
		{Name: "Cursor", Methods: []abi.ManifestMethod{
			{Name: "next", Result: "string | null"},
			{Name: "each", Params: []abi.ManifestParam{param("f", "(value: string) => void | Promise<void>")}, Result: "void"},
		}},
		{Name: "Empty"},
	}, Routes: []abi.ManifestRoute{{Pattern: "POST /room/{name}/{rest...}", Binding: "ROOM"}, {Pattern: "/it's\"/{name}", Binding: "ROOM"}}}
}

// TestGenerate compares with testdata/golden; go test ./build -update writes the files anew.
func TestGenerate(t *testing.T) {
	for dir, row := range map[string]struct {
		c   *wrangler.Config
		m   *abi.Manifest
		own bool
	}{
		"everything": {everythingConfig(t), everythingManifest(), true},
		"nothing":    {&wrangler.Config{Name: "nothing", CompatibilityDate: "2026-11-17"}, &abi.Manifest{Fetch: true}, false},
	} {
		t.Run(dir, func(t *testing.T) {
			require.NoError(t, build.Check(row.c, row.m))
			files := build.Generate(row.c, row.m, build.GenerateOptions{OwnInstance: row.own})
			require.Len(t, files, 2)
			files["workerd.capnp"] = build.Workerd{Workers: []*wrangler.Config{row.c}}.Config()
			for name, got := range files {
				golden(t, filepath.Join(dir, name), got)
			}
		})
	}
}

// golden compares with a file of testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "%s: go test ./build -update accepts it", file)
}

// TestGenerate_others: the declarations do not name what only another worker declares.
func TestGenerate_others(t *testing.T) {
	c, err := wrangler.Parse("wrangler.jsonc", []byte(`{
		"name": "app", "compatibility_date": "2026-11-17",
		"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room", "script_name": "back"}]},
		"services": [
			{"binding": "BACK", "service": "back"}, {"binding": "ADMIN", "service": "back*/", "entrypoint": "Admin"},
			{"binding": "SELF", "service": "app", "entrypoint": "Own"}
		]
	}`))
	require.NoError(t, err)
	m := &abi.Manifest{Fetch: true, Services: []abi.ManifestClass{{Name: "Own"}}}
	require.NoError(t, build.Check(c, m))
	_, env, found := strings.Cut(string(build.Generate(c, m, build.GenerateOptions{})["worker.d.ts"]), "export interface Env {\n")
	require.True(t, found)
	require.Equal(t, `  ROOM: DurableObjectNamespace /* Room of back */;
  BACK: Fetcher;
  ADMIN: Fetcher /* Admin of back* / */;
  SELF: Service<Own>;
}
`, env)
}

// TestBuild_demo builds the workers of this repository: what is generated for them is short, and the rest is as it is in
// the toolchain and in package shim.
func TestBuild_demo(t *testing.T) {
	for _, config := range []string{"../wrangler.toml", "../worker/app/wrangler.jsonc"} {
		t.Run(config, func(t *testing.T) {
			c, err := wrangler.Load(config)
			require.NoError(t, err)
			dir := filepath.Join(t.TempDir(), "dist")
			r, err := build.Build(t.Context(), build.Options{Config: c, Out: dir, Manifest: manifestOf(t)})
			require.NoError(t, err)
			require.Equal(t, dir, r.Dir)
			lines := 0 // but for one for each method
			for name, method := range map[string]string{"worker.mjs": "return call(this", "worker.d.ts": "): Promise<"} {
				b, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				lines += bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte(method))
			}
			require.LessOrEqual(t, lines, 50)
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 4+len(shim.Names))
			wasm, err := os.ReadFile(filepath.Join(dir, "app.wasm"))
			require.NoError(t, err)
			require.True(t, bytes.Equal(wasm, r.Wasm))
		})
	}
}
