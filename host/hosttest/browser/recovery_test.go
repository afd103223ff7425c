package browser_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client is the client of rooms for browsers.
func client(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../../objects/websocket/client/room.js")
	require.NoError(t, err)
	return string(b)
}

// talkers are pages in a room whose sessions are resumed.
type talkers []*page

func enterAsTalkers(t *testing.T, b *browser, n int, origin, path string) talkers {
	t.Helper()
	room := client(t)
	source, err := os.ReadFile("testdata/talker.js")
	require.NoError(t, err)
	var list talkers
	for i := range n {
		p := b.open(origin)
		name := fmt.Sprint("tab", i)
		p.do(fmt.Sprintf(`%s;
			const { Room } = await import(URL.createObjectURL(new Blob([%q], { type: "text/javascript" })));
			window.talk = talker(Room, %q, %q, 40);`, source, room, origin+path+name, name))
		list = append(list, p)
	}
	for _, p := range list { // nobody says anything before all are there
		require.Eventually(t, func() bool { return evaluate[string](p, "talk.status()") == "connected" }, 10*time.Second, 10*time.Millisecond)
	}
	return list
}

// each has every page do something.
func (l talkers) each(script string) {
	for _, p := range l {
		p.do(script)
	}
}

// counts are how many of what a page has seen.
type counts struct{ Said, Acknowledged, Heard, Opened int }

func (l talkers) counts() (list []counts) {
	for _, p := range l {
		list = append(list, evaluate[counts](p, "talk.counts()"))
	}
	return list
}

// goOn waits until each page has had three more texts acknowledged.
func (l talkers) goOn(t *testing.T) {
	t.Helper()
	before := l.counts()
	require.Eventually(t, func() bool {
		for i, c := range l.counts() {
			if c.Acknowledged < before[i].Acknowledged+3 {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond)
}

// seen is what a page remembers.
type seen struct {
	Acknowledged, Refused, Heard, Gaps []string
	Opened                             []bool // for each connection, whether the session was resumed
}

// end has all stop, and returns what they remember once all that was said is acknowledged and heard by all.
func (l talkers) end(t *testing.T) (all map[string]seen, said int) {
	t.Helper()
	l.each("talk.stop()")
	settled := func() bool {
		list := l.counts()
		said = 0
		for _, c := range list {
			said += c.Said
		}
		return !slices.ContainsFunc(list, func(c counts) bool { return c.Acknowledged < c.Said || c.Heard < said })
	}
	for end := time.Now().Add(20 * time.Second); !settled() && time.Now().Before(end); { // if not, exactlyOnce says what is missing
		time.Sleep(20 * time.Millisecond)
	}
	all = map[string]seen{}
	for i, p := range l {
		all[fmt.Sprint("tab", i)] = evaluate[seen](p, "talk.seen")
	}
	return all, said
}

// exactlyOnce holds what pages have seen against what is promised: each has heard every text that was said once, all in the
// same order, which is each sender's own; each text was acknowledged to its sender, and no session was lost.
func exactlyOnce(all map[string]seen, said int) error {
	var first string
	next := map[string]int{}
	for name, s := range all {
		switch {
		case len(s.Refused) > 0:
			return fmt.Errorf("%s was refused %s", name, s.Refused[0])
		case len(s.Gaps) > 0:
			return fmt.Errorf("%s was told of a gap: %s", name, s.Gaps[0])
		case len(s.Opened) == 0 || slices.Contains(s.Opened[1:], false):
			return fmt.Errorf("%s lost its session: %v", name, s.Opened)
		case len(s.Heard) != said:
			return fmt.Errorf("%s heard %d of %d", name, len(s.Heard), said)
		case first == "":
			first = name
		case !slices.Equal(s.Heard, all[first].Heard):
			return fmt.Errorf("%s heard another order than %s", name, first)
		}
	}
	for _, text := range all[first].Heard {
		name, number, _ := strings.Cut(text, "-")
		if number != fmt.Sprint(next[name]) {
			return fmt.Errorf("%s was heard when %d of %s was to come", text, next[name], name)
		}
		next[name]++
	}
	for name, s := range all {
		if len(s.Acknowledged) != next[name] {
			return fmt.Errorf("%d of %d texts of %s were acknowledged", len(s.Acknowledged), next[name], name)
		}
	}
	return nil
}

// TestExactlyOnce: each broken promise is noticed.
func TestExactlyOnce(t *testing.T) {
	sound := func() map[string]seen {
		heard := []string{"a-0", "b-0", "a-1"}
		return map[string]seen{
			"a": {Acknowledged: []string{"a-0", "a-1"}, Heard: slices.Clone(heard), Opened: []bool{false, true}},
			"b": {Acknowledged: []string{"b-0"}, Heard: slices.Clone(heard), Opened: []bool{false}},
		}
	}
	require.NoError(t, exactlyOnce(sound(), 3))
	for want, breaks := range map[string]func(b *seen){
		"b was refused x":                 func(b *seen) { b.Refused = []string{"x"} },
		"b was told of a gap: 1-2":        func(b *seen) { b.Gaps = []string{"1-2"} },
		"b lost its session":              func(b *seen) { b.Opened = []bool{false, false} },
		"b heard 2 of 3":                  func(b *seen) { b.Heard = b.Heard[:2] },
		"b heard 4 of 3":                  func(b *seen) { b.Heard = append(b.Heard, "a-1") },
		"another order":                   func(b *seen) { slices.Reverse(b.Heard) },
		"0 of 1 texts of b were acknowle": func(b *seen) { b.Acknowledged = nil },
	} {
		all := sound()
		b := all["b"]
		breaks(&b)
		all["b"] = b
		require.ErrorContains(t, exactlyOnce(all, 3), want)
	}
	for want, heard := range map[string][]string{
		"a-0 was heard when 1 of a was to come": {"a-0", "b-0", "a-0"},
		"a-1 was heard when 0 of a was to come": {"a-1", "b-0", "a-0"},
	} {
		all := sound()
		for name, s := range all {
			s.Heard = heard
			all[name] = s
		}
		require.ErrorContains(t, exactlyOnce(all, 3), want)
	}
}

// TestRecovery: ten pages talk in a room of package websocketserver while the host's process is given a new program, stopped
// and killed. Each hears everything exactly once.
func TestRecovery(t *testing.T) {
	b := chromium(t)
	d := serve(t, rooms)
	l := enterAsTalkers(t, b, 10, d.url, "/api/websocket?room=fast-once&user=")
	l.each("talk.start()")
	l.goOn(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGKILL} {
		before := l.counts()
		d.update()
		require.Eventually(t, func() bool {
			for i, c := range l.counts() {
				if c.Opened == before[i].Opened {
					return false
				}
			}
			return true
		}, 30*time.Second, 20*time.Millisecond)
		l.goOn(t)
		d.end(s)
		d.start()
		l.goOn(t)
	}
	all, said := l.end(t)
	require.NoError(t, exactlyOnce(all, said))
	for name, s := range all {
		require.GreaterOrEqual(t, len(s.Opened), 11, name)
	}
	t.Logf("%d texts, heard by each of %d", said, len(all))
}

// amongOthers holds what a page has heard against all that the room has handled: it is everything from the page's first on.
func amongOthers(s seen, handled []string) error {
	first := slices.Index(handled, s.Heard[0])
	switch {
	case len(s.Refused) > 0 || len(s.Gaps) > 0 || slices.Contains(s.Opened[1:], false):
		return fmt.Errorf("refused %v, gaps %v, resumed %v", s.Refused, s.Gaps, s.Opened)
	case first < 0 || !slices.Equal(s.Heard, handled[first:]):
		return fmt.Errorf("heard %d texts from number %d on, of %d, or in another order", len(s.Heard), first, len(handled))
	}
	return nil
}

// TestRecovery_room is the same for what happens within one host, among visitors who have no sessions.
func TestRecovery_room(t *testing.T) {
	b := chromium(t)
	r := enterRoom(t, b, 1)
	l := enterAsTalkers(t, b, 4, r.h.URL, r.path)
	l.each("talk.start()")
	for range 3 {
		for _, verb := range []func() error{r.object().Hibernate, r.object().Evict} {
			r.between(verb)
			l.goOn(t)
		}
		r.say(`{"event":"exit"}`)
		l.goOn(t)
		require.NoError(t, r.h.Update(t.Context(), r.program(rooms), time.Hour))
		l.goOn(t)
		require.NoError(t, r.h.Update(t.Context(), r.program(rooms), 0))
		l.goOn(t)
		r.h = r.h.Restart()
		l.goOn(t)
	}
	dropped(t, r.end(), 6, 12)
	all, _ := l.end(t)
	handled := r.handled()
	require.Error(t, amongOthers(all["tab0"], append(handled, "tab0-0")), "a text that was not heard is noticed")
	for name, s := range all {
		require.NoError(t, amongOthers(s, handled), name)
	}
}
