package main_test

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

const (
	clients = 16
	tokens  = 1_000_000
	config  = "../../../testdata/guests/limiter/wrangler.toml"
)

// TestRun_kill kills `durago run` with SIGKILL under load, starts it again on the same data, and holds that each
// acknowledged token is taken, and none but those and the ones that were on their way; and that each acknowledged alarm
// fires. DURAGO_KILLS asks for more rounds.
func TestRun_kill(t *testing.T) {
	rounds := 3
	if s := os.Getenv("DURAGO_KILLS"); s != "" {
		var err error
		rounds, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	r := newRunner(t)
	p := r.start()
	p.must("POST", "/options/limiter")
	taken, alarms := 0, 0
	for round := range rounds {
		acknowledged, set := p.load(round, 50+rand.IntN(1000))
		p = r.start()
		now, err := p.account(taken + acknowledged)
		require.NoError(t, err, "round %d", round)
		t.Logf("round %d: %d tokens acknowledged, %d more taken, %d alarms", round, acknowledged, now-taken-acknowledged, len(set))
		taken = now
		for _, name := range set {
			require.Eventually(t, func() bool { return p.must("GET", "/fired/"+name) != "0" }, 10*time.Second, 5*time.Millisecond, name)
		}
		alarms += len(set)
	}
	require.NotZero(t, taken)
	require.NotZero(t, alarms)

	t.Run("data of an earlier round is noticed", func(t *testing.T) {
		p.kill()
		earlier := filepath.Join(r.t.TempDir(), "state") // the process outlives this
		require.NoError(t, os.CopyFS(earlier, os.DirFS(r.dir)))
		p = r.start()
		acknowledged, _ := p.load(rounds, 200)
		r.dir = earlier
		p = r.start()
		_, err := p.account(taken + acknowledged)
		require.ErrorContains(t, err, "acknowledged")
	})
	p.kill()
}

// runner starts processes on one data directory.
type runner struct {
	t            *testing.T
	binary, wasm string
	dir          string
}

func newRunner(t *testing.T) *runner {
	c, err := wrangler.Load(config)
	require.NoError(t, err)
	r := &runner{t: t, binary: filepath.Join(t.TempDir(), "durago"), wasm: filepath.Join(t.TempDir(), "app.wasm"), dir: filepath.Join(t.TempDir(), "state")}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(r.wasm, hosttest.Wasm(t, c, ""), 0o644))
	return r
}

// process is a running durago.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	http *http.Client
}

// start starts a process and waits until it serves.
func (r *runner) start() *process {
	r.t.Helper()
	p := &process{t: r.t, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 30 * time.Second},
		cmd: exec.Command(r.binary, "run", "-c", config, "--wasm", r.wasm, "--port", "0", "--persist-to", r.dir, "--log-level", "warn")}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(r.t, err)
	require.NoError(r.t, p.cmd.Start())
	r.t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "ready on "); ok {
			p.url = url
			return p
		}
	}
	r.t.Fatal("durago ended before it was ready")
	return nil
}

// kill ends the process at once, if it runs.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.http.CloseIdleConnections()
	}
}

func (p *process) do(method, path string) (string, error) {
	q, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := p.http.Do(q)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

func (p *process) must(method, path string) string {
	p.t.Helper()
	s, err := p.do(method, path)
	require.NoError(p.t, err)
	return s
}

// load takes tokens and sets alarms from many clients until so many have been acknowledged, and kills the process in the
// middle of the rest. It returns what was acknowledged.
func (p *process) load(round, until int) (acknowledged int, alarms []string) {
	var mu sync.Mutex
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				if s, err := p.do("POST", "/consume/limiter"); err != nil {
					return // the process is dead
				} else if s != "true" {
					p.t.Errorf("consume says %q", s)
					return
				}
				mu.Lock()
				if acknowledged++; acknowledged == until {
					close(enough)
				}
				mu.Unlock()
				if i%16 != c {
					continue
				}
				name := fmt.Sprintf("%d-%d-%d", round, c, i)
				if _, err := p.do("POST", fmt.Sprintf("/alarm/%s?ms=%d", name, rand.IntN(500))); err != nil {
					return
				}
				mu.Lock()
				alarms = append(alarms, name)
				mu.Unlock()
			}
		})
	}
	<-enough
	p.kill()
	wg.Wait()
	return acknowledged, alarms
}

// account reads how many tokens are gone, and compares with how many must be.
func (p *process) account(acknowledged int) (taken int, err error) {
	remaining, err := strconv.ParseFloat(p.must("GET", "/remaining/limiter"), 64)
	require.NoError(p.t, err)
	taken = tokens - int(math.Floor(remaining))
	if taken < acknowledged || taken > acknowledged+clients {
		return taken, fmt.Errorf("%d tokens are taken, but %d were acknowledged and at most %d were on their way", taken, acknowledged, clients)
	}
	return taken, nil
}
