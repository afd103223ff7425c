package cluster_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"durago.example/build"
	"durago.example/build/wrangler"
	"durago.example/host/hosttest"
)

// cluster is a bucket in memory and the machines that share it. Each machine is a workerd process with a disk of its own.
type cluster struct {
	t        *testing.T
	config   string
	key      string // the folder of cluster.key
	storage  *httptest.Server
	requests atomic.Int64 // to the bucket
	machines []*machine
}

// newCluster builds guests as `durago build --workerd --cluster` does, and starts so many machines. The first guest takes
// the requests.
func newCluster(t *testing.T, machines int, guests ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, config: filepath.Join(t.TempDir(), "dist", "workerd.capnp"), key: t.TempDir()}
	var all []*wrangler.Config
	for _, name := range guests {
		guest, err := wrangler.Load("../../../testdata/guests/" + name + "/wrangler.toml")
		require.NoError(t, err)
		all = append(all, guest)
	}
	_, err := build.Build(t.Context(), build.Options{Config: all[0], With: all[1:], Workerd: true, Cluster: "s3://bucket/objects", Out: filepath.Dir(c.config),
		Manifest: hosttest.ReadManifest})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(c.key, "cluster.key"), []byte(rand.Text()+rand.Text()), 0o600))

	bucket := s3mem.New()
	require.NoError(t, bucket.CreateBucket("bucket"))
	s3 := gofakes3.New(bucket, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	c.storage = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(c.storage.Close)
	for i := range machines {
		m := &machine{c: c, letter: string(rune('a' + i)), dir: filepath.Join(t.TempDir(), "state")}
		c.machines = append(c.machines, m)
		m.start()
	}
	t.Cleanup(func() {
		for _, m := range c.machines {
			m.p.Kill()
			m.http.CloseIdleConnections()
		}
	})
	return c
}

// machine is one of the cluster.
type machine struct {
	c      *cluster
	letter string
	dir    string
	starts int
	p      *hosttest.Process
	http   *http.Client
}

// name is the machine's, another after each start.
func (m *machine) name() string { return fmt.Sprint(m.letter, m.starts) }

// start starts the process, on what an earlier one left on its disk. Nobody may use the machine meanwhile.
func (m *machine) start() {
	m.c.t.Helper()
	m.starts++
	m.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	m.p = hosttest.Workerd{
		Config: m.c.config, Dir: m.dir, Sockets: []string{"http"},
		Flags: m.flags(), Env: append(m.environment(m.c.storage.URL), "MACHINE="+m.name()),
	}.Serve(m.c.t)
}

// flags and environment are what a machine is told that workerd.capnp does not have.
func (m *machine) flags() []string {
	return []string{"-I", m.c.key, "--cluster-addr", "127.0.0.1:0"}
}

func (m *machine) environment(storage string) []string {
	return []string{"AWS_ENDPOINT_URL=" + storage, "AWS_REGION=auto", "AWS_ACCESS_KEY_ID=nobody", "AWS_SECRET_ACCESS_KEY=nothing"}
}

// exited tells whether the process has ended.
func (m *machine) exited() bool {
	select {
	case <-m.p.Exited():
		return true
	default:
		return false
	}
}

// again ends the process, if it has not ended yet, and starts another.
func (m *machine) again() {
	m.c.t.Helper()
	m.p.Kill()
	m.http.CloseIdleConnections()
	m.start()
}

// added is the acknowledgement of an increment.
type added struct {
	Number  int    `json:"number"`
	Machine string `json:"machine"`
}

// ask sends a request through this machine and reads its answer.
func (m *machine) ask(ctx context.Context, v any, path string, q url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.p.URLs["http"]+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := m.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return json.Unmarshal(b, v)
}

// must is ask of what cannot fail.
func (m *machine) must(v any, path string, q url.Values) {
	m.c.t.Helper()
	require.NoError(m.c.t, m.ask(m.c.t.Context(), v, path, q), "%s %s: %s", m.name(), path, m.p.Log())
}

// dial opens a socket to an object through this machine, and closes the channel with when and how it ended.
func (m *machine) dial(object string) <-chan end {
	m.c.t.Helper()
	c, _, err := websocket.DefaultDialer.DialContext(m.c.t.Context(), "ws"+m.p.URLs["http"][len("http"):]+"/LEDGER/"+object+"/socket", nil)
	require.NoError(m.c.t, err)
	_, b, err := c.ReadMessage()
	require.NoError(m.c.t, err)
	ended := make(chan end, 1)
	go func() {
		defer c.Close()
		_, _, err := c.ReadMessage()
		ended <- end{object, string(b), m.name(), time.Now(), err}
	}()
	return ended
}

// end is the end of a socket.
type end struct {
	object, on, through string
	at                  time.Time
	err                 error
}
