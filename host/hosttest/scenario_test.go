package hosttest_test

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"durago.example/host/hosttest"
)

func TestMain(m *testing.M) {
	if of := os.Getenv(clientsOf); of != "" {
		runClients(of)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func scenario(t *testing.T, change ...func(*hosttest.Options)) *hosttest.Host {
	o := hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml"}
	for _, f := range change {
		f(&o)
	}
	return hosttest.Start(t, o)
}

func realTime(o *hosttest.Options) { o.RealTime = true }

// both runs a portable scenario on the host and on workerd.
func both(t *testing.T, f func(t *testing.T, h *hosttest.Host), change ...func(*hosttest.Options)) {
	t.Helper()
	o := everyScenario()
	for _, f := range change {
		f(&o)
	}
	hosttest.Each(t, o, f)
}

// outside is for a scenario with connections of its own: it runs in no bubble.
func outside(o *hosttest.Options) { o.Bubble = false }

func sharedMemory(o *hosttest.Options) { o.SharedMemory = true }

// get fetches a path in the background and returns what its answer will be.
func get(t *testing.T, h *hosttest.Host, path string) <-chan string {
	c := make(chan string, 1)
	go func() {
		resp, err := h.Client().Get(h.URL + path)
		if err != nil {
			c <- err.Error()
			return
		}
		defer resp.Body.Close()
		var b strings.Builder
		buf := make([]byte, 1024)
		for {
			n, err := resp.Body.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				break
			}
		}
		c <- b.String()
	}()
	return c
}
