//go:build !js

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// cloudflare is a run of wrangler in the repository's folder, as a person would run it. It needs DURAGO_WRANGLER, the folder of
// the npm package, and DURAGO_NODE, a node that it runs on.
func cloudflare(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir, node := os.Getenv("DURAGO_WRANGLER"), os.Getenv("DURAGO_NODE")
	if dir == "" || node == "" {
		t.Skip("DURAGO_WRANGLER and DURAGO_NODE name no wrangler: run make conformance")
	}
	cache, err := os.UserCacheDir() // of the go command, which wrangler runs
	require.NoError(t, err)
	modules, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output()
	require.NoError(t, err)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), node, append([]string{filepath.Join(dir, "bin", "wrangler.js")}, args...)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+cache, "GOPATH="+strings.TrimSpace(string(modules)),
		"WRANGLER_SEND_METRICS=false", "CLOUDFLARE_CF_FETCH_ENABLED=false", "CI=1", "NO_COLOR=1")
	return cmd
}

// TestWrangler_deploy: what wrangler would upload, for each worker. The command of the configuration builds it.
func TestWrangler_deploy(t *testing.T) {
	for config, wants := range map[string][]string{
		"wrangler.toml":                          {"app.wasm ", "env.COUNTER (Counter) ", "env.WS (AppWebsocketServer) "},
		"worker/app/wrangler.jsonc":              {"app.wasm ", "env.COUNTER (Counter, defined in durago-demo) ", "env.WS (AppWebsocketServer, defined in durago-demo) "},
		"testdata/javascript/app/wrangler.jsonc": {"env.RATE_LIMITER (RateLimiterServer, defined in durago-demo) "},
	} {
		t.Run(config, func(t *testing.T) {
			out, err := cloudflare(t, "deploy", "--dry-run", "-c", config).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NotContains(t, string(out), "WARNING")
			for _, want := range append(wants, "--dry-run: exiting now.") {
				require.Contains(t, string(out), want)
			}
		})
	}
}

// TestWrangler_dev runs the scenario of the front under wrangler dev, on the app worker with the backend worker behind it, and
// on the backend worker alone. What it sees is what host and workerd showed.
func TestWrangler_dev(t *testing.T) {
	for name, configs := range map[string][]string{"one worker": {"wrangler.toml"}, "two workers": {"worker/app/wrangler.jsonc", "wrangler.toml"}} {
		t.Run(name, func(t *testing.T) {
			hosttest.At(t, dev(t, configs...), "TestWorker_front", front)
		})
	}
}

// dev starts wrangler dev, of whose workers the first has the URL. The test's end stops it.
func dev(t *testing.T, configs ...string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	args := []string{"dev", "--ip", "127.0.0.1", "--port", fmt.Sprint(port), "--inspector-port", "0", "--persist-to", t.TempDir()}
	for _, c := range configs {
		args = append(args, "-c", c)
	}
	cmd := cloudflare(t, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with the workerd that it starts
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	require.NoError(t, cmd.Start())
	said, exited := make(chan string, 1), make(chan struct{})
	go func() {
		var all strings.Builder
		for s := bufio.NewScanner(r); s.Scan(); {
			all.WriteString(s.Text() + "\n")
			if strings.Contains(s.Text(), "Ready on http://127.0.0.1:") {
				said <- "ready"
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
		said <- all.String()
	}()
	go func() {
		_ = cmd.Wait()
		_ = w.Close()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
		}
	})
	select {
	case text := <-said:
		require.Equal(t, "ready", text)
	case <-time.After(3 * time.Minute):
		t.Fatal("wrangler dev is not ready")
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}
