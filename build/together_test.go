package build_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/wrangler"
)

// parsed is a configuration, in a file of its worker's folder.
func parsed(t *testing.T, file, text string) *wrangler.Config {
	t.Helper()
	c, err := wrangler.Parse(file, []byte(text))
	require.NoError(t, err)
	return c
}

// front is a worker without classes before the one of everything.
const front = `{
	"name": "front",
	"compatibility_date": "2026-01-02",
	"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room", "script_name": "every-thing"}]},
	"services": [
		{"binding": "BACK", "service": "every-thing"},
		{"binding": "ADMIN", "service": "every-thing", "entrypoint": "Admin", "props": {"role": "front"}},
		{"binding": "OTHER", "service": "side"}
	],
	"kv_namespaces": [{"binding": "SHARED", "id": "first"}, {"binding": "OWN"}],
	"dev": {"ip": "::1", "port": 9000}
}`

const side = `{"name": "side", "compatibility_date": "2026-01-02", "services": [{"binding": "BACK", "service": "front"}], "dev": {"port": 9001}}`

// TestWorkerd_Config compares with testdata/golden what is written of several workers, and of a cluster.
func TestWorkerd_Config(t *testing.T) {
	everything := everythingConfig(t)
	golden(t, "several.capnp", build.Workerd{Workers: []*wrangler.Config{parsed(t, "front/wrangler.jsonc", front), everything, parsed(t, "side/wrangler.jsonc", side)}}.Config())
	golden(t, "cluster.capnp", build.Workerd{Workers: []*wrangler.Config{parsed(t, "wrangler.jsonc", `{"name": "alone", "compatibility_date": "2026-11-17"}`)}, Cluster: "s3://bucket/some/prefix"}.Config())
}

// TestBuild_together: what does not fit together is said before anything is compiled.
func TestBuild_together(t *testing.T) {
	for name, row := range map[string]struct {
		workers []string
		cluster string
		want    string
	}{
		"a class of a worker that is not there": {[]string{`{"name": "a", "compatibility_date": "2026-11-17",
			"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room", "script_name": "b"}]}}`}, "",
			"the binding ROOM of 0.jsonc names the class Room of the worker b, which workerd would not know: name its configuration too, with another -c"},
		"a class that the other does not have": {[]string{`{"name": "a", "compatibility_date": "2026-11-17",
			"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room", "script_name": "b"}]}}`, `{"name": "b", "compatibility_date": "2026-11-17"}`}, "",
			"the binding ROOM of 0.jsonc names the class Room of the worker b, but 1.jsonc declares none of that name"},
		"a worker that is not there": {[]string{`{"name": "a", "compatibility_date": "2026-11-17", "services": [{"binding": "B", "service": "b"}]}`}, "",
			"the binding B of 0.jsonc names the worker b, which workerd would not know: name its configuration too, with another -c"},
		"one name": {[]string{`{"name": "a", "compatibility_date": "2026-11-17"}`, `{"name": "a", "compatibility_date": "2026-11-17"}`}, "",
			"0.jsonc and 1.jsonc have workers of the name a: give one another name"},
		"one port": {[]string{`{"name": "a", "compatibility_date": "2026-11-17"}`, `{"name": "b", "compatibility_date": "2026-11-17", "dev": {"port": 8787}}`}, "",
			"the workers a and b both take requests at 127.0.0.1:8787: give one another dev.port"},
		"the name of the disk": {[]string{`{"name": "do", "compatibility_date": "2026-11-17"}`}, "",
			"0.jsonc has a worker of the name do, which is another service of workerd: give it another name"},
		"static files": {[]string{`{"name": "a", "compatibility_date": "2026-11-17", "assets": {"directory": "."}}`}, "",
			"0.jsonc has assets, which plain workerd does not serve: use durago run, wrangler dev or Cloudflare for this worker"},
		"a cluster nowhere": {[]string{`{"name": "a", "compatibility_date": "2026-11-17"}`}, "bucket",
			`the cluster's bucket "bucket" is no URL of S3 or Google Cloud Storage: write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX`},
	} {
		t.Run(name, func(t *testing.T) {
			o := build.Options{Workerd: true, Cluster: row.cluster}
			for i, text := range row.workers {
				c := parsed(t, string(rune('0'+i))+".jsonc", text)
				if i == 0 {
					o.Config = c
				} else {
					o.With = append(o.With, c)
				}
			}
			_, err := build.Build(t.Context(), o)
			require.EqualError(t, err, row.want)
			require.ErrorAs(t, err, new(*build.MismatchError))
		})
	}
}

// TestBuild_entrypoints: a worker's program is asked for the entrypoints that another binds, and nothing is written if one is
// missing.
func TestBuild_entrypoints(t *testing.T) {
	load := func(name string) *wrangler.Config {
		c, err := wrangler.Load(filepath.Join("..", "testdata", "guests", name))
		require.NoError(t, err)
		return c
	}
	o := build.Options{Config: load("visitor/wrangler.toml"), With: []*wrangler.Config{load("scenario/wrangler.toml"), load("storage/wrangler.toml")},
		Workerd: true, Out: filepath.Join(t.TempDir(), "dist"), Manifest: manifestOf(t)}
	o.Config.Services[1].Entrypoint = "None"
	_, err := build.Build(t.Context(), o)
	require.EqualError(t, err, "the binding ENTRY of "+o.Config.File+" names the entrypoint None of the worker storage, but its program does not export it: add it to Program.Services")
	require.NoDirExists(t, o.Out)

	o.Config.Services[1].Entrypoint = "Entry"
	r, err := build.Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(o.Out, "visitor"), r.Dir)
	require.Len(t, r.With, 2)
	require.Equal(t, filepath.Join(o.Out, "storage"), r.With[1].Dir)
	entries, err := os.ReadDir(o.Out)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"kv.mjs", "scenario", "storage", "visitor", "workerd.capnp"}, names)

	broken := load("scenario/wrangler.toml")
	broken.Migrations[0].NewSQLiteClasses = append(broken.Migrations[0].NewSQLiteClasses, "Missing")
	o.With[0] = broken
	_, err = build.Build(t.Context(), o)
	require.ErrorContains(t, err, "worker scenario: ")
	require.ErrorContains(t, err, "declares the class Missing, but the program does not export it")
	require.ErrorAs(t, err, new(*build.MismatchError))
}

func TestCheckCluster(t *testing.T) {
	for _, url := range []string{"s3://bucket", "s3://bucket/prefix", "gs://my.bucket-1/a/b.c/d_e"} {
		require.NoError(t, build.CheckCluster(url), url)
	}
	for url, want := range map[string]string{
		"":                        "is no URL of S3",
		"bucket":                  "is no URL of S3",
		"https://host/bucket":     "is no URL of S3",
		"S3://bucket/p":           "is no URL of S3",
		"s3:/bucket/p":            "is no URL of S3",
		"s3://":                   "names no bucket",
		"s3:///p":                 "names no bucket",
		"s3://ab/p":               "names no bucket",
		"s3://Bucket/p":           "names no bucket",
		"s3://bücket/p":           "names no bucket",
		"s3://-bucket/p":          "names no bucket",
		"s3://bucket./p":          "names no bucket",
		"s3://host:9000/p":        "names no bucket",
		"s3://bucket/":            "has a prefix that workerd cannot use",
		"s3://bucket/a/":          "has a prefix that workerd cannot use",
		"s3://bucket//a":          "has a prefix that workerd cannot use",
		"s3://bucket/../a":        "has a prefix that workerd cannot use",
		"s3://bucket/ü":           "has a prefix that workerd cannot use",
		"s3://bucket/a?region=eu": "has a prefix that workerd cannot use",
	} {
		require.ErrorContains(t, build.CheckCluster(url), want, url)
	}
	err := build.CheckCluster("s3://key:hunter2@bucket/p")
	require.ErrorContains(t, err, "give them to workerd as AWS_ACCESS_KEY_ID")
	require.NotContains(t, err.Error(), "hunter2")
}
