package browser_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// durago is the command that serves a worker, on one port and one folder of data, however often it is started.
type durago struct {
	t    *testing.T
	args []string
	wasm string // the program's file
	url  string
	cmd  *exec.Cmd
}

// serve builds the command and the worker of a configuration, and starts it.
func serve(t *testing.T, config string) *durago {
	t.Helper()
	binary, wasm := filepath.Join(t.TempDir(), "durago"), filepath.Join(t.TempDir(), "app.wasm")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/durago").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c, err := wrangler.Load(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(wasm, hosttest.Wasm(t, c, ""), 0o644))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	port := l.Addr().(*net.TCPAddr).Port
	d := &durago{t: t, wasm: wasm, url: fmt.Sprintf("http://127.0.0.1:%d", port), args: []string{binary, "run", "-c", config, "--wasm", wasm,
		"--port", fmt.Sprint(port), "--persist-to", filepath.Join(t.TempDir(), "state"), "--log-level", "warn", "--watch"}}
	d.start()
	t.Cleanup(func() { d.end(syscall.SIGKILL) })
	return d
}

// start starts the command and waits until it serves.
func (d *durago) start() {
	d.t.Helper()
	d.cmd = exec.Command(d.args[0], d.args[1:]...)
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, d.cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "ready on ") {
			return
		}
	}
	d.t.Fatal("durago ended before it was ready")
}

// end sends a signal and waits until the command has ended.
func (d *durago) end(s syscall.Signal) {
	if d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Signal(s)
		_ = d.cmd.Wait()
	}
}

// update has the command replace the program, which is the same again, at once: its file is another.
func (d *durago) update() {
	d.t.Helper()
	b, err := os.ReadFile(d.wasm)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(d.wasm+".new", b, 0o644))
	require.NoError(d.t, os.Rename(d.wasm+".new", d.wasm))
}
