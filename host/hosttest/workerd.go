package hosttest

import (
	"bufio"
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
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host"
	"durago.example/host/durable"
	"durago.example/wasm/abi"
)

// WorkerdPath is the workerd executable that tests compare with, from the environment variable DURAGO_WORKERD; empty
// means that only the host is tested.
func WorkerdPath() string { return os.Getenv("DURAGO_WORKERD") }

// workerd is the same program under plain workerd, with a small JavaScript worker beside it that drives objects.
type workerd struct {
	t      testing.TB
	cmd    *exec.Cmd
	main   string // URL of the worker
	driver string // URL of driver.mjs
	beside string // URL of Options.Beside
	exited chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

//go:embed driver.mjs
var driverModule []byte

// startWorkerd builds the programs of workers, of which the first is the test's, into a directory and serves them with data in dir.
func startWorkerd(t testing.TB, all []*wrangler.Config, o Options, dir string) *workerd {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	for i, c := range all {
		pkg := ""
		if i == 0 {
			pkg = o.Package
		}
		_, err := build.Build(context.Background(), build.Options{Config: c, Out: filepath.Join(out, c.Name), Workerd: true, OwnInstance: o.OwnInstance, Wasm: Wasm(t, c, pkg),
			Manifest: func(ctx context.Context, wasm []byte) (*abi.Manifest, error) {
				return host.ReadManifest(ctx, wasm, CacheDir())
			}})
		if err != nil {
			t.Fatal(err)
		}
	}
	beside, besideConfig := o.Beside, all[0]
	if beside == nil {
		beside = []byte("export default {};\n")
	}
	if o.BesideConfig != "" {
		var err error
		if besideConfig, err = wrangler.Load(o.BesideConfig); err != nil {
			t.Fatal(err)
		}
	}
	values, err := os.ReadFile(filepath.Join(out, all[0].Name, "value.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"driver.mjs": driverModule, "value.mjs": values, "beside.mjs": beside, "driver.capnp": driverConfig(all, besideConfig)}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return runWorkerd(t, filepath.Join(out, "driver.capnp"), dir)
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
	var imports strings.Builder
	var scopes []string
	for i, c := range all {
		scopes = append(scopes, fmt.Sprintf("Dist%d", i))
		fmt.Fprintf(&imports, "using Dist%d = import %q;\n", i, c.Name+"/workerd.capnp")
	}
	return fmt.Appendf(nil, `using Workerd = import "/workerd/workerd.capnp";
%[4]sconst config :Workerd.Config = (
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
  compatibilityDate = %[6]q,
  bindings = [
%[5]s  ],
);
`, build.Services(all, scopes), bindings(c), c.Name, imports.String(), bindings(beside), cmp.Or(beside.CompatibilityDate, c.CompatibilityDate))
}

func runWorkerd(t testing.TB, config, dir string) *workerd {
	t.Helper()
	w := &workerd{t: t, exited: make(chan struct{})}
	events, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	w.cmd = exec.Command(WorkerdPath(), "serve", "--experimental", "--control-fd=3", "-ddo="+dir, config)
	w.cmd.Stdout, w.cmd.Stderr = w, w
	w.cmd.ExtraFiles = []*os.File{write}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		t.Fatalf("hosttest: workerd: %v", err)
	}
	_ = write.Close()
	go func() {
		_ = w.cmd.Wait()
		close(w.exited)
	}()
	urls := map[string]*string{"http": &w.main, "driver": &w.driver, "beside": &w.beside}
	started := func() bool { return w.main != "" && w.driver != "" && w.beside != "" }
	for s := bufio.NewScanner(events); !started() && s.Scan(); {
		var e struct {
			Event, Socket string
			Port          int
		}
		if err := json.Unmarshal(s.Bytes(), &e); err == nil && e.Event == "listen" && urls[e.Socket] != nil {
			*urls[e.Socket] = fmt.Sprintf("http://127.0.0.1:%d", e.Port)
		}
	}
	if !started() {
		w.stop()
		t.Fatalf("hosttest: workerd did not start:\n%s", w.Log())
	}
	return w
}

// Write keeps what workerd prints.
func (w *workerd) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// Log is what workerd has printed.
func (w *workerd) Log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *workerd) stop() {
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.exited:
	case <-time.After(2 * time.Second): // it waits for sockets that are open
		_ = w.cmd.Process.Kill()
		<-w.exited
	}
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
