//go:build !js

package websocketserver_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
)

// BenchmarkBroadcast sends to 1,000 members, one message after another, with the room alone and over leaves. room-µs is what
// an event takes in which a member sends one, leaf-µs what a leaf takes for a call, cpu-µs the processor time of a message,
// with that of the clients, which are here too.
func BenchmarkBroadcast(b *testing.B) {
	for _, row := range []struct {
		name, site string
	}{{"direct", ""}, {"4 leaves", "/leaves/200/"}, {"9 leaves", "/leaves/100/"}} {
		b.Run(row.name, func(b *testing.B) { broadcast(b, row.site) })
	}
}

func broadcast(b *testing.B, site string) {
	const members = 1000
	h := hosttest.Start(b, hosttest.Options{Config: guest, RealTime: true, Isolates: 2})
	conns := make([]*gorilla.Conn, members)
	d := &gorilla.Dialer{ReadBufferSize: 512, WriteBufferSize: 512}
	var all sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < members; i = next.Add(1) - 1 {
				c, _, err := d.DialContext(context.Background(), address(h, fmt.Sprint("u", i), site+"fast"), nil)
				if err != nil {
					b.Error(err)
					return
				}
				conns[i] = c
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	got := make(chan struct{}, members)
	var heard atomic.Int64
	for _, c := range conns {
		all.Go(func() {
			for {
				_, text, err := c.ReadMessage()
				if err != nil {
					return
				}
				if strings.HasPrefix(string(text), `{"event":"chat"`) && heard.Add(1)%members == 0 {
					got <- struct{}{}
				}
			}
		})
	}
	say := func() {
		require.NoError(b, conns[0].WriteMessage(gorilla.TextMessage, []byte(`{"event":"chat","text":"`+strings.Repeat("x", 64)+`"}`)))
		<-got
	}
	for range 20 { // the joining is over
		say()
	}
	before, spent := durations(h), processor()
	var took []time.Duration
	b.ResetTimer()
	for b.Loop() {
		at := time.Now()
		say()
		took = append(took, time.Since(at))
	}
	b.StopTimer()
	b.ReportMetric(float64((processor()-spent).Microseconds())/float64(len(took)), "cpu-µs")
	slices.Sort(took)
	b.ReportMetric(float64(members*len(took))/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	after := durations(h)
	for name, key := range map[string]string{"room-µs": `class="Room",event="message"`, "leaf-µs": `class="Leaf",event="rpc"`} {
		if n := after[key].n - before[key].n; n > 0 {
			b.ReportMetric((after[key].sum-before[key].sum)/n*1e6, name)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
	all.Wait()
}

// processor is the time that this process has had.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it fails for nobody
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type duration struct{ sum, n float64 }

var durationLine = regexp.MustCompile(`durago_event_duration_seconds_(sum|count)\{(.*?)\} (\S+)`)

// durations are the host's sums of what events took.
func durations(h *hosttest.Host) map[string]duration {
	all := map[string]duration{}
	for _, m := range durationLine.FindAllStringSubmatch(string(h.Metrics()), -1) {
		v, _ := strconv.ParseFloat(m[3], 64)
		d := all[m[2]]
		if m[1] == "sum" {
			d.sum = v
		} else {
			d.n = v
		}
		all[m[2]] = d
	}
	return all
}
