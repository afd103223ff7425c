package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"durago.example/objects"
)

// lend does something with what is no data; the first word says what.
func (r *runner) lend(ctx context.Context, rest string) (string, error) {
	what, rest, _ := strings.Cut(rest, " ")
	f := lending[what]
	if f == nil {
		return "", fmt.Errorf("no way to lend %q", what)
	}
	out, err := f(r, ctx, r.peer(ctx, "a"), rest)
	return out, r.told(err)
}

var lending = map[string]func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error){
	"result": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		n, err := increment.Call(ctx, c, 2)
		m, err2 := increment.Call(ctx, c, 2)
		c.Dispose()
		_, gone := increment.Call(ctx, c, 1)
		return fmt.Sprint(n, m, gone), errors.Join(err, err2)
	},
	"errors": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		defer c.Dispose()
		_, missing := objects.Declare0[int]("missing").Call(ctx, c)
		return fmt.Sprint(r.told(fails.Call(ctx, c)), " | ", r.told(missing)), nil
	},
	"nested": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		d, err := another.Call(ctx, c)
		if err != nil {
			return "", err
		}
		c.Dispose()
		n, err := increment.Call(ctx, d, 1)
		d.Dispose()
		return fmt.Sprint(n), err
	},
	"argument": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		c := &count{tell: r.kept.mark}
		n, err := use.Call(ctx, a, counters.New(c))
		return fmt.Sprint(n, c.n), err
	},
	"bundle": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		return useAll.Call(ctx, a, bundle{"it", counters.New(&count{n: 1}), strings.NewReader("body")})
	},
	"bundled": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		b, err := bundled.Call(ctx, a, "it")
		if err != nil {
			return "", err
		}
		n, err := increment.Call(ctx, b.Counter, 1)
		b.Counter.Dispose()
		text, err2 := io.ReadAll(b.Body)
		return fmt.Sprintf("%s %d %s", b.Name, n, text), errors.Join(err, err2)
	},
	"back": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) { // one's own target, there and back
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		own := &count{n: 1000}
		t, err := itself.Call(ctx, c, counters.New(own))
		if err != nil {
			return "", err
		}
		n, err := increment.Call(ctx, t, 1)
		t.Dispose()
		c.Dispose()
		return fmt.Sprint(n, own.n), err
	},
	"third": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) { // a's target to b
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		n, err := use.Call(ctx, r.peer(ctx, "b"), c)
		m, err2 := increment.Call(ctx, c, 1) // still this one's
		c.Dispose()
		return fmt.Sprint(n, m), errors.Join(err, err2)
	},
	"callback": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		n, err := apply.Call(ctx, a, objects.NewCallback(func(_ context.Context, n int) (int, error) { return n * n, nil }), 3)
		return fmt.Sprint(n), err
	},
	"failing": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		n, err := apply.Call(ctx, a, objects.NewCallback(func(_ context.Context, n int) (int, error) {
			return 0, &objects.Error{Name: "SyntaxError", Message: "the callback failed"}
		}), 3)
		return fmt.Sprint(n), err
	},
	"function": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		f, err := doubler.Call(ctx, a)
		if err != nil {
			return "", err
		}
		n, err := f.Call(ctx, 21)
		f.Dispose()
		return fmt.Sprint(n), err
	},
	"keep": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) {
		c := counters.New(&count{tell: r.kept.mark})
		if err := keep.Call(ctx, a, c, rest == "dup"); err != nil {
			return "", err
		}
		n, err := useKept.Call(ctx, a)
		if err != nil {
			return "", err
		}
		err = dropKept.Call(ctx, a)
		_, gone := useKept.Call(ctx, a)
		return fmt.Sprint(n, " ", r.told(gone)), err
	},
	"give": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) { // a gives away what it had kept
		if err := keep.Call(ctx, a, counters.New(&count{tell: r.kept.mark}), true); err != nil {
			return "", err
		}
		c, err := giveKept.Call(ctx, a)
		if err != nil {
			return "", err
		}
		n, err := increment.Call(ctx, c, 1)
		_, gone := useKept.Call(ctx, a)
		c.Dispose()
		return fmt.Sprint(n, " ", r.told(gone)), err
	},
	"keepon": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		return "ok", keep.Call(ctx, a, counters.New(&count{tell: r.kept.mark}), true)
	},
	"usekept": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		n, err := useKept.Call(ctx, a)
		return fmt.Sprint(n), err
	},
	"front": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) { // it lends; then its request is over
		out, err := r.fetch(ctx, objects.ServiceOf(ctx, "FRONT"), "http://x/LEND/"+r.peerName("a"))
		if err != nil {
			return "", err
		}
		_, err = useKeptF.Call(ctx, a)
		return fmt.Sprintf("%s | %v", out, err), nil
	},
	"reset": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) { // its object breaks
		c, err := counter.Call(ctx, a, 5)
		if err != nil {
			return "", err
		}
		defer c.Dispose()
		reset := resetSelf.Call(ctx, a)
		_, err = increment.Call(ctx, c, 1)
		return fmt.Sprint(r.told(reset), " | ", r.told(err)), nil
	},
	"stub": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		return callThere.Call(ctx, a, r.peer(ctx, "b"))
	},
	"itself": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		s, err := self.Call(ctx, a)
		if err != nil {
			return "", err
		}
		defer s.Dispose()
		return ownName.Call(ctx, s)
	},
	"read": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) {
		return readAll.Call(ctx, a, strings.NewReader(rest))
	},
	"stream": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) {
		s, err := stream.Call(ctx, a, rest, 20_000)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(s)
		return fmt.Sprint(len(b)), err
	},
	"upper": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) {
		s, err := upper.Call(ctx, a, strings.NewReader(rest))
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(s)
		return string(b), err
	},
	"pass": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) { // a stream of a's to b
		s, err := stream.Call(ctx, a, rest, 3)
		if err != nil {
			return "", err
		}
		return readAll.Call(ctx, r.peer(ctx, "b"), s)
	},
	"broken": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		s, err := broken.Call(ctx, a)
		if err != nil {
			return "", err
		}
		_, err = io.ReadAll(s)
		return "read", err
	},
	"brokenargument": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		_, err := readAll.Call(ctx, a, &failing{})
		return "read", err
	},
	"some": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		return readSome.Call(ctx, a, forever{r.kept.mark})
	},
	"endless": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		s, err := endless.Call(ctx, a)
		if err != nil {
			return "", err
		}
		b := make([]byte, 10)
		_, err = io.ReadFull(s, b)
		return string(b), errors.Join(err, s.Close())
	},
	"wrong": func(r *runner, ctx context.Context, a *objects.Stub, rest string) (string, error) { // a stream where a target is wanted, and so on
		switch rest {
		case "stream":
			return "ok", a.Call(ctx, nil, "use", strings.NewReader("x"))
		case "target":
			return "ok", a.Call(ctx, nil, "readAll", counters.New(&count{}))
		}
		return "ok", a.Call(ctx, nil, "length", strings.NewReader("x"))
	},
	"any": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		var out io.Reader
		if err := a.Call(ctx, &out, "echo", strings.NewReader("any")); err != nil {
			return "", err
		}
		b, err := io.ReadAll(out)
		return string(b), err
	},
	"extra": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) { // arguments that the method does not take
		return "ok", a.Call(ctx, nil, "length", "x", strings.NewReader("y"), counters.New(&count{tell: r.kept.mark}))
	},
	"storage": func(r *runner, _ context.Context, _ *objects.Stub, _ string) (string, error) {
		return "ok", objects.NewKey[any]("k").Put(r.kv(), strings.NewReader("x"))
	},
	"hoard": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		var all []*objects.Target[Counter] // or the collector would find them
		for {
			c, err := counter.Call(ctx, a, 0)
			if err != nil {
				for _, c := range all {
					c.Dispose()
				}
				return fmt.Sprint(len(all), " ", r.told(err)), nil
			}
			all = append(all, c)
		}
	},
	"many": func(r *runner, ctx context.Context, a *objects.Stub, _ string) (string, error) {
		for range 300 {
			c, err := counter.Call(ctx, a, 0)
			if err != nil {
				return "", err
			}
			c.Dispose()
		}
		return "ok", nil
	},
}

// entry calls the named entrypoint behind a service binding.
func (r *runner) entry(ctx context.Context, rest string) (string, error) {
	binding, what, _ := strings.Cut(rest, " ")
	s := objects.ServiceOf(ctx, binding)
	out, err := func() (string, error) {
		switch what {
		case "role":
			return role.Call(ctx, s)
		case "counter":
			c, err := enter.Call(ctx, s, 7)
			if err != nil {
				return "", err
			}
			n, err := increment.Call(ctx, c, 1)
			m, err2 := increment.Call(ctx, c, 1)
			c.Dispose()
			return fmt.Sprint(n, m), errors.Join(err, err2)
		case "apply":
			n, err := each.Call(ctx, s, objects.NewCallback(func(_ context.Context, n int) (int, error) { return n + 1, nil }))
			return fmt.Sprint(n), err
		case "lines":
			l, err := lines.Call(ctx, s, 100)
			if err != nil {
				return "", err
			}
			b, err := io.ReadAll(l)
			return fmt.Sprint(len(b)), err
		case "refused":
			return "ok", refused.Call(ctx, s)
		case "missing":
			return "ok", s.Call(ctx, nil, "missing")
		}
		return r.fetch(ctx, s, what)
	}()
	return out, r.told(err)
}
