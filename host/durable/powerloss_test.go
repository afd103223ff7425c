package durable_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/durable"
	"durago.example/host/storage"
	"durago.example/host/storage/journal"
	"durago.example/host/storage/powerloss"
)

// TestEngine_powerLoss holds that an object's writes and its alarm stay together: after a power loss, or the death of
// the process, each object has a state that its events made, none older than the last that was acknowledged, and the
// alarm of that state fires, and no other. DURAGO_POWER_LOSSES asks for more.
func TestEngine_powerLoss(t *testing.T) {
	losses := powerloss.Number(t, "DURAGO_POWER_LOSSES", 150)
	for name, o := range map[string]storage.Options{"one journal": smallJournal, "a sync of each log": {SyncLogs: true, LogPages: 12}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all crashes
			for seed := uint64(1); all.n < losses; seed++ {
				synctest.Test(t, func(t *testing.T) { require.NoError(t, crash(t, seed, o, &all), "seed %d", seed) })
			}
			t.Logf("%d crashes: %d events, %d acknowledged, %d alarms due afterwards", all.n, all.events, all.acknowledged, all.alarms)
			require.NotZero(t, all.alarms)
		})
	}
}

// smallJournal has segments that are used again, and logs that are copied, within a life.
var smallJournal = storage.Options{LogPages: 12, Journal: journal.Options{SegmentSize: 512 << 10, Keep: 1, Most: 4}}

// TestEngine_powerLoss_catches takes the syncs out.
func TestEngine_powerLoss_catches(t *testing.T) {
	var all crashes
	for seed := uint64(1); seed < 100; seed++ {
		var err error
		synctest.Test(t, func(t *testing.T) { err = crash(t, seed, storage.Options{NoSync: true}, &all) })
		if err != nil {
			t.Logf("found by seed %d: %v", seed, err)
			return
		}
	}
	t.Fatal("not found")
}

type crashes struct{ n, events, acknowledged, alarms int }

// slowDisk does the syncer's requests when it is told to.
type slowDisk struct {
	*powerloss.Disk
	mu      sync.Mutex
	waiting []chan error
	paths   []string
}

func (d *slowDisk) OpenFile(path string, create bool) (journal.File, error) {
	f, err := d.Disk.OpenFile(path, create)
	return slowFile{f, d, path}, err
}

type slowFile struct {
	journal.File
	disk *slowDisk
	path string
}

func (f slowFile) WriteSync(p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	return f.disk.SyncFile(f.path)
}

func (d *slowDisk) SyncFile(path string) error {
	d.mu.Lock()
	if d.waiting == nil {
		d.mu.Unlock()
		return d.Disk.SyncFile(path)
	}
	c := make(chan error)
	d.waiting, d.paths = append(d.waiting, c), append(d.paths, path)
	d.mu.Unlock()
	return <-c
}

// step does one request; false says that there is none.
func (d *slowDisk) step(rng *rand.Rand) bool {
	synctest.Wait()
	d.mu.Lock()
	if len(d.paths) == 0 {
		d.mu.Unlock()
		return false
	}
	least := 0
	for i, p := range d.paths { // by name: the order in which the syncer's workers came is not the seed's
		if p < d.paths[least] {
			least = i
		}
	}
	i := least
	if rng.IntN(2) == 0 {
		for k, p := range d.paths {
			if p > d.paths[i] {
				i = k
			}
		}
	}
	c, path := d.waiting[i], d.paths[i]
	last := len(d.paths) - 1
	d.waiting[i], d.paths[i] = d.waiting[last], d.paths[last]
	d.waiting, d.paths = d.waiting[:last], d.paths[:last]
	d.mu.Unlock()
	c <- d.Disk.SyncFile(path)
	synctest.Wait()
	return true
}

// state is what one event left: a number, and when the alarm is due, in seconds; 0 is none.
type state struct{ n, alarm int }

func crash(t *testing.T, seed uint64, how storage.Options, all *crashes) (failed error) {
	rng := rand.New(rand.NewPCG(seed, 2))
	root := powerloss.Scratch(t)
	disk := powerloss.New(root, seed)
	defer disk.Close()
	states := map[string][]state{}
	acknowledged := map[string]int{}
	for range 4 {
		slow := &slowDisk{Disk: disk}
		how.Dir, how.Disk, how.VFS = disk.Path("state"), slow, disk.Name()
		e := newEngine(t, options{storage: how})
		require.NoError(t, e.Start())
		slow.waiting = []chan error{}
		disk.CutAfter(1 + rng.IntN(8<<rng.IntN(7)))
		for !disk.Off() {
			name := string(rune('a' + rng.IntN(5)))
			switch rng.IntN(4) {
			case 0:
				slow.step(rng)
				e.settle()
			case 1:
				e.visit(name, func(o *durable.Object) { _ = o.Evict() })
				e.settle()
			default:
				s := state{n: len(states[name]) + 1}
				if rng.IntN(3) > 0 {
					s.alarm = 100 + rng.IntN(1000)
				}
				states[name] = append(states[name], s)
				all.events++
				e.send(name, func(o *durable.Object, done func(error)) { done(s.write(o)) }).then = func(err error) {
					if err == nil {
						acknowledged[name] = max(acknowledged[name], s.n)
						all.acknowledged++
					}
				}
				e.settle()
			}
		}
		stopDead(e, slow, rng)
		all.n++
		if rng.IntN(3) == 0 {
			disk.Kill()
		} else {
			require.NoError(t, disk.PowerLoss(powerloss.Scratch(t)))
		}
		how.Dir, how.Disk = disk.Path("state"), disk
		if failed = afterwards(t, how, states, acknowledged, all); failed != nil {
			return failed
		}
	}
	return nil
}

// stopDead ends an engine whose disk is off.
func stopDead(e *engine, slow *slowDisk, rng *rand.Rand) {
	done := make(chan struct{})
	go func() {
		_ = e.Close()
		_ = e.store.Close()
		close(done)
	}()
	for {
		e.settle()
		if !slow.step(rng) {
			select {
			case <-done:
				return
			default: // the loop has work
			}
		}
	}
}

func (s state) write(o *durable.Object) error {
	if err := exec(o, `CREATE TABLE IF NOT EXISTS s (n INTEGER, alarm INTEGER)`); err != nil {
		return err
	}
	if err := exec(o, fmt.Sprintf(`DELETE FROM s; INSERT INTO s VALUES (%d, %d)`, s.n, s.alarm)); err != nil {
		return err
	}
	if s.alarm == 0 {
		return o.SetAlarm(nil)
	}
	at := epoch.Add(time.Duration(s.alarm) * time.Second)
	return o.SetAlarm(&at)
}

// afterwards starts an engine on what is left, lets all alarms fire, and looks at the objects after that: one that is
// visited before would tell the scheduler.
func afterwards(t *testing.T, how storage.Options, states map[string][]state, acknowledged map[string]int, all *crashes) error {
	e := newEngine(t, options{storage: how})
	defer func() { require.NoError(t, e.stop()) }()
	if err := e.Start(); err != nil {
		return err
	}
	fired := map[string]int{}
	e.alarm = func(o *durable.Object, a durable.Alarm) error {
		fired[o.ID()] = int(e.clock.Now().Sub(epoch) / time.Second)
		return nil
	}
	e.advance(time.Hour)
	for name, list := range states {
		var got state
		if err := e.do(name, func(o *durable.Object) (err error) {
			got, err = readState(o)
			return err
		}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got.n < acknowledged[name] || got.n > len(list) || got.n > 0 && got != list[got.n-1] {
			return fmt.Errorf("%s: has %+v, acknowledged was %d of %d", name, got, acknowledged[name], len(list))
		}
		if f := fired[e.ns.IDFromName(name)]; f != got.alarm {
			return fmt.Errorf("%s: has %+v, and its alarm fired at %d", name, got, f)
		}
		if got.alarm > 0 {
			all.alarms++
			got.alarm = 0 // it has fired; nothing else did
			list[got.n-1] = got
			if err := e.do(name, func(o *durable.Object) error { return exec(o, `UPDATE s SET alarm = 0`) }); err != nil {
				return err
			}
		}
		states[name], acknowledged[name] = list[:got.n], got.n
	}
	return nil
}

func readState(o *durable.Object) (s state, err error) {
	if err := exec(o, `CREATE TABLE IF NOT EXISTS s (n INTEGER, alarm INTEGER)`); err != nil {
		return s, err
	}
	c, err := o.Database().Exec(`SELECT n, alarm FROM s`, nil)
	if err != nil {
		return s, err
	}
	if c.Next() {
		s = state{int(c.Value(0).Float), int(c.Value(1).Float)}
	}
	return s, c.Close()
}
