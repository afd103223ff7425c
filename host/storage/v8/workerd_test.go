package v8_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
)

// What workerd calls the object "http://foo/" of the key "mykey".
const (
	uniqueKey = "mykey"
	objectID  = "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234"
)

// workerd is the executable that the tests compare with; without it they are skipped.
func workerd(t *testing.T) string {
	path := os.Getenv("DURAGO_WORKERD")
	if path == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	return path
}

// run has workerd run a module of testdata, whose class keeps its data in dir.
func run(t *testing.T, module, class, dir string) string {
	out := t.TempDir()
	copyFile := func(name, from string) {
		b, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(out, name), b, 0o644))
	}
	copyFile("main.mjs", filepath.Join("testdata", module))
	copyFile("value.mjs", filepath.Join("..", "..", "..", "build", "shim", "value.mjs"))
	config := fmt.Sprintf(`using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "disk", disk = (path = %q, writable = true)),
  (name = "main", worker = (
    modules = [ (name = "main.mjs", esModule = embed "main.mjs"), (name = "value.mjs", esModule = embed "value.mjs") ],
    compatibilityDate = "2026-11-17",
    durableObjectNamespaces = [ (className = %[2]q, uniqueKey = %[3]q, enableSql = true) ],
    durableObjectStorage = (localDisk = "disk"),
    bindings = [ (name = "OBJECT", durableObjectNamespace = %[2]q) ])) ]);
`, dir, class, uniqueKey)
	file := filepath.Join(out, "config.capnp")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	text, err := exec.Command(workerd(t), "test", file).CombinedOutput()
	require.NoError(t, err, "%s", text)
	return string(text)
}

// database opens the object's database in dir, runs f and closes it.
func database(t *testing.T, dir string, f func(d *storage.Database)) {
	s, err := storage.Open(storage.Options{Dir: dir, NoSync: true})
	require.NoError(t, err)
	d := s.Database(uniqueKey, objectID)
	f(d)
	if _, err := d.Commit(func(err error) { require.NoError(t, err) }); err != nil {
		t.Fatal(err)
	}
	require.NoError(t, d.Close())
	require.NoError(t, s.Close())
}
