package hosttest

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// workerd is the same program under plain workerd, with a small JavaScript worker beside it that drives objects.
type workerd struct {
	*Process
	main   string // URL of the worker
	driver string // URL of driver.mjs
	beside string // URL of Options.Beside
}

//go:embed driver.mjs
var driverModule []byte

// startWorkerd builds the programs of workers, of which the first is the test's, into a directory and serves them with data in dir.
func startWorkerd(t testing.TB, all []*wrangler.Config, o Options, dir string) *workerd {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	r, err := build.Build(context.Background(), build.Options{Config: all[0], With: all[1:], Out: out, Workerd: true, OwnInstance: o.OwnInstance,
		Compile: func(_ context.Context, c *wrangler.Config) ([]byte, error) {
			if c != all[0] {
				return Wasm(t, c, ""), nil
			}
			return Wasm(t, c, o.Package), nil
		},
		Manifest: ReadManifest})
	if err != nil {
		t.Fatal(err)
	}
	beside, besideConfig := o.Beside, all[0]
	if beside == nil {
		beside = []byte("export default {};\n")
	}
	if o.BesideConfig != "" {
		if besideConfig, err = wrangler.Load(o.BesideConfig); err != nil {
			t.Fatal(err)
		}
	}
	values, err := os.ReadFile(filepath.Join(r.Dir, "value.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"driver.mjs": driverModule, "value.mjs": values, "beside.mjs": beside, "driver.capnp": driverConfig(all, besideConfig)}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := Workerd{Config: filepath.Join(out, "driver.capnp"), Dir: dir, Sockets: []string{"http", "driver", "beside"}}.Serve(t)
	return &workerd{p, p.URLs["http"], p.URLs["driver"], p.URLs["beside"]}
}

// ReadManifest reads what a program says of itself, for builds in tests.
func ReadManifest(ctx context.Context, wasm []byte) (*abi.Manifest, error) {
	return host.ReadManifest(ctx, wasm, CacheDir())
}

// bindings are those of one configuration that JavaScript beside its worker has too.
func bindings(c *wrangler.Config) string {
	var b strings.Builder
	for _, x := range c.DurableObjects.Bindings {
		fmt.Fprintf(&b, "    (name = %q, durableObjectNamespace = (className = %q, serviceName = %q)),\n", x.Name, x.ClassName, cmp.Or(x.ScriptName, c.Name))
	}
	for _, x := range c.Services {
		entrypoint := ""
		if x.Entrypoint != "" {
			entrypoint = fmt.Sprintf(", entrypoint = %q", x.Entrypoint)
		}
		fmt.Fprintf(&b, "    (name = %q, service = (name = %q%s)),\n", x.Binding, x.Service, entrypoint)
	}
	return b.String()
}

// driverConfig is the workers' workerd.capnp with the driver beside them, which has the first one's bindings, and another
// module with those of beside.
func driverConfig(all []*wrangler.Config, beside *wrangler.Config) []byte {
	c := all[0]
	return fmt.Appendf(nil, `using Workerd = import "/workerd/workerd.capnp";
using Workers = import "workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "hosttest-driver", worker = .driver),
    (name = "hosttest-beside", worker = .beside),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
%[1]s  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = %[3]q),
    (name = "driver", address = "127.0.0.1:0", http = (), service = "hosttest-driver"),
    (name = "beside", address = "127.0.0.1:0", http = (), service = "hosttest-beside"),
  ],
);
const driver :Workerd.Worker = (
  modules = [ (name = "driver.mjs", esModule = embed "driver.mjs"), (name = "value.mjs", esModule = embed "value.mjs") ],
  compatibilityDate = "2026-11-17",
  compatibilityFlags = ["unsafe_module", "experimental"],
  bindings = [
%[2]s  ],
);
const beside :Workerd.Worker = (
  modules = [ (name = "beside.mjs", esModule = embed "beside.mjs") ],
  compatibilityDate = %[5]q,
  bindings = [
%[4]s  ],
);
`, build.Workerd{Workers: all}.Services("Workers"), bindings(c), c.Name, bindings(beside), cmp.Or(beside.CompatibilityDate, c.CompatibilityDate))
}

// drive sends a command to the driver.
func (w *workerd) drive(ctx context.Context, verb string, q url.Values, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.driver+"/"+verb+"?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK {
		return b, err
	}
	var e struct {
		Name, Message                        string
		Remote, Retryable, Overloaded, Reset bool
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, errors.New("hosttest: workerd: " + string(b))
	}
	return nil, &durable.Error{Name: e.Name, Message: e.Message, Remote: e.Remote, Retryable: e.Retryable, Overloaded: e.Overloaded, Reset: e.Reset}
}
