// Package cluster_test holds that objects in Go keep their promises on a cluster of workerd processes: three machines with a
// disk each share one bucket, which is in memory, and are killed, frozen and stopped under load.
//
// workerd's cluster is experimental. What it promises, and what the configuration of `durago build --workerd --cluster` is:
// struct ClusterConfig of https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp.
package cluster_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/hosttest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

const (
	objects    = 12
	sleepers   = 4    // objects that nobody asks again once their alarm is set
	increments = 3000 // in all, at least
)

// TestCluster: 3,000 increments from all sides while one machine after another is killed with SIGKILL, frozen for longer
// than its lease and thawed, and stopped with SIGTERM. Every acknowledged increment is there once, alarms run that nobody
// waits for, sockets close, and the objects go on elsewhere.
func TestCluster(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	c := newCluster(t, 3, "ledger")
	l := newLoad(c)
	var names []string
	for i := range objects {
		names = append(names, fmt.Sprint("o", i))
		require.NoError(t, l.try(c.machines[i%3], "LEDGER", names[i]), "%s", c.machines[i%3].p.Log())
	}
	for _, m := range c.machines {
		require.NotEmpty(t, l.on(m.name()), "each machine has objects")
	}
	var note string
	c.machines[0].must(&note, "/note/a", url.Values{"value": {"kept"}})
	const each = (increments-1)/(objects*4) + 1
	l.run("LEDGER", names, each).Wait()
	for i, fault := range []struct {
		name  string
		begin syscall.Signal
		end   syscall.Signal // under load too, once the objects are elsewhere
	}{
		{"killed", syscall.SIGKILL, 0},
		{"frozen", syscall.SIGSTOP, syscall.SIGCONT},
		{"stopped", syscall.SIGTERM, 0},
	} {
		m := c.machines[i]
		mine := l.on(m.name())
		if len(mine) == 0 { // all have moved away: it gets some of its own
			mine = []string{fmt.Sprint("own", i)}
			require.NoError(t, l.try(m, "LEDGER", mine[0]))
			names = append(names, mine[0])
		}
		var sockets []<-chan end
		for _, object := range mine {
			for _, through := range c.machines {
				sockets = append(sockets, through.dial(object))
			}
		}
		var asleep []string
		for k := range sleepers {
			object := fmt.Sprintf("sleeper-%s-%d", fault.name, k)
			var a added
			m.must(&a, "/LEDGER/"+object+"/alarm", url.Values{"ms": {"3000"}, "name": {object}})
			require.Equal(t, m.name(), a.Machine)
			asleep = append(asleep, object)
		}
		l.mark()
		before := l.total()
		wg := l.run("LEDGER", names, each/2)
		for l.total() < before+5*objects && !t.Failed() { // until all sides are at it
			time.Sleep(time.Millisecond)
		}
		began := time.Now()
		m.p.Signal(fault.begin)
		wg.Wait()
		wg = l.run("LEDGER", names, each-each/2)
		m.p.Signal(fault.end)
		wg.Wait()
		l.report(fault.name, mine, began)
		reportSockets(t, fault.name, sockets, began)
		c.reportAlarms(fault.name, asleep, m)
		if t.Failed() {
			t.Fatal(c.logs())
		}
		t.Logf("%s: the process has ended: %t\n%s", fault.name, m.exited(), m.p.Log())
		m.again()
	}
	require.NoError(t, l.account("LEDGER", names), "%s", c.logs())
	for _, m := range c.machines {
		note = ""
		m.must(&note, "/note/a", nil)
		require.Equal(t, "kept", note, "KV is an object too")
	}
	t.Logf("%d increments acknowledged, %d tries reached no machine, %d requests to the bucket", l.total(), l.refused, c.requests.Load())
	for _, why := range slices.Sorted(maps.Keys(l.unanswered)) {
		t.Logf("%d tries were not acknowledged, and may have been counted: %s", l.unanswered[why], why)
	}
	t.Logf("%d were counted that were not acknowledged", l.stored-l.total())
	require.GreaterOrEqual(t, l.total(), increments)

	t.Run("what an object forgets or repeats is found", func(t *testing.T) {
		for binding, want := range map[string]string{"FORGETFUL": "and is not there", "REPEATING": "is there twice"} {
			l := newLoad(c)
			l.run(binding, []string{"wrong"}, 40).Wait()
			require.ErrorContains(t, l.account(binding, []string{"wrong"}), want)
		}
	})
}

// TestCluster_workers: three workers on two machines call each other's objects, fronts and entrypoints, wherever those are.
func TestCluster_workers(t *testing.T) {
	if hosttest.WorkerdPath() == "" {
		t.Skip("DURAGO_WORKERD names no workerd: make conformance has one")
	}
	c := newCluster(t, 2, "visitor", "scenario", "storage")
	for i, m := range c.machines {
		for path, want := range map[string]any{"/entry/role": "true visitor", "/add/a": 5.0} {
			var got any
			m.must(&got, path, nil)
			require.Equal(t, want, got, path)
		}
		for k, path := range []string{"/home/a/count", "/count/a", "/back/count/a"} { // an object by a stub, a route and the other's front
			var n int
			m.must(&n, path, nil)
			require.Equal(t, 3*i+k+1, n, path)
		}
	}
}

// account reads the objects through every machine and compares.
func (l *load) account(binding string, objects []string) error {
	for _, object := range objects {
		for _, m := range l.c.machines {
			var stored []row
			m.must(&stored, "/"+binding+"/"+object+"/increments", nil)
			if err := account(l.tried[object], l.acknowledged[object], stored); err != nil {
				return fmt.Errorf("%s through %s: %w", object, m.name(), err)
			}
			if m == l.c.machines[0] {
				l.stored += len(stored)
			}
		}
	}
	return nil
}

// report says when objects went on elsewhere.
func (l *load) report(fault string, mine []string, began time.Time) {
	l.c.t.Helper()
	var took []time.Duration
	for _, object := range mine {
		a, ok := l.moved[object]
		if !ok {
			l.c.t.Errorf("%s: %s has not moved", fault, object)
			continue
		}
		took = append(took, a.at.Sub(began))
	}
	slices.Sort(took)
	l.c.t.Logf("%s: %d objects went on elsewhere after %s", fault, len(took), span(took))
}

// reportSockets waits until each socket has ended.
func reportSockets(t *testing.T, fault string, sockets []<-chan end, began time.Time) {
	t.Helper()
	var took []time.Duration
	how := map[string]int{}
	for _, s := range sockets {
		select {
		case e := <-s:
			took = append(took, e.at.Sub(began))
			how[e.err.Error()]++
		case <-time.After(time.Minute):
			t.Errorf("%s: a socket is still open", fault)
		}
	}
	slices.Sort(took)
	t.Logf("%s: %d sockets ended after %s", fault, len(took), span(took))
	for _, err := range slices.Sorted(maps.Keys(how)) {
		t.Logf("%s: %d sockets: %s", fault, how[err], err)
	}
}

// span is the least and the most of sorted times.
func span(took []time.Duration) string {
	if len(took) == 0 {
		return "no time"
	}
	return fmt.Sprintf("%s to %s", took[0].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

// reportAlarms waits until each object has told the witness of its alarm, from another machine than m. Nobody asks the
// objects themselves: that would have them move.
func (c *cluster) reportAlarms(fault string, asleep []string, m *machine) {
	c.t.Helper()
	other := c.machines[0]
	if other == m {
		other = c.machines[1]
	}
	var late []time.Duration
	for limit := time.Now().Add(time.Minute); len(late) < len(asleep) && time.Now().Before(limit); time.Sleep(500 * time.Millisecond) {
		var rows []row
		if err := other.ask(c.t.Context(), &rows, "/LEDGER/witness/increments", nil); err != nil {
			c.t.Logf("%s: the witness: %v", fault, err) // it may have been there too, and moves
			continue
		}
		ran := map[string]time.Duration{}
		for _, r := range rows {
			var object, machine string
			var due, at int64
			_, err := fmt.Sscan(r.ID, &object, &due, &at, &machine)
			require.NoError(c.t, err, r.ID)
			if slices.Contains(asleep, object) {
				require.NotEqual(c.t, m.name(), machine, "%s: the alarm of %s", fault, object)
				ran[object] = time.Duration(at-due) * time.Millisecond
			}
		}
		late = slices.Sorted(maps.Values(ran))
	}
	require.Len(c.t, late, len(asleep), "%s: alarms that ran\n%s", fault, c.logs())
	c.t.Logf("%s: %d alarms ran elsewhere, %s after they were due", fault, len(late), span(late))
}

// logs is what the processes have printed.
func (c *cluster) logs() string {
	var b strings.Builder
	for _, m := range c.machines {
		fmt.Fprintf(&b, "%s:\n%s\n", m.name(), m.p.Log())
	}
	return b.String()
}

// TestREADME: the command of the README has the flags that the machines here are started with.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, block, ok := strings.Cut(string(readme), "workerd serve --experimental ")
	require.True(t, ok)
	command, _, _ := strings.Cut(block, ".capnp\n")
	m := &machine{c: &cluster{key: "/etc/objects"}}
	for _, flag := range append(m.flags(), "-ddo=", "-s http=") {
		if strings.HasPrefix(flag, "-") || strings.HasPrefix(flag, "/") {
			require.Contains(t, command, flag)
		}
	}
	for _, v := range m.environment("http://storage") {
		name, _, _ := strings.Cut(v, "=")
		require.Contains(t, string(readme), name+"=")
	}
}
