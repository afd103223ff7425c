package gates

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"durago.example/objects"
)

// section writes down when it begins and ends.
func (g *Gate) section(ctx context.Context, name string, ms int, f func(ctx context.Context) error) error {
	return g.state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error {
		g.note("%s(", name)
		if f != nil {
			if err := f(ctx); err != nil {
				return err
			}
		}
		pause(ms)
		g.note("%s)", name)
		return nil
	})
}

// together waits for functions that run at once.
func together(fs ...func() error) error {
	c := make(chan error, len(fs))
	for _, f := range fs {
		go func() { c <- f() }()
	}
	var all error
	for range fs {
		all = errors.Join(all, <-c)
	}
	return all
}

// pair opens two sections from one turn, a transaction that fails and one that stays, and two within another.
func (g *Gate) pair(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	write := func(v string, err error) func() error {
		return func() error {
			got := g.storage.Transaction(ctx, func(context.Context, *objects.Tx) error {
				g.note("%s(", v)
				if err := g.add(v); err != nil {
					return err
				}
				pause(5)
				g.note("%s)", v)
				return err
			})
			if errors.Is(got, errUndo) {
				return nil
			}
			return got
		}
	}
	if err := together(write("undone", errUndo), write("stays", nil)); err != nil {
		return err
	}
	err := g.section(ctx, "around", 0, func(ctx context.Context) error {
		return together(
			func() error { return g.section(ctx, "x", 5, nil) },
			func() error { return g.section(ctx, "x", 5, nil) })
	})
	fmt.Fprintf(w, "has %q", g.all())
	return err
}

// strays has a transaction fail while another goroutine of the object, outside, wants to write.
func (g *Gate) strays(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	outside := make(chan error, 1)
	g.state.Go(func(context.Context) {
		pause(5)
		g.note("awake")
		err := g.add("outside")
		g.note("wrote")
		outside <- err
	})
	_ = g.storage.Transaction(ctx, func(context.Context, *objects.Tx) error {
		g.note("start")
		if err := g.add("inside"); err != nil {
			return err
		}
		pause(30)
		g.note("end")
		return errUndo
	})
	err := <-outside
	fmt.Fprintf(w, "has %q", g.all())
	return err
}

// orphan ends a section while one within it goes on.
func (g *Gate) orphan(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	inner, begun := make(chan error, 1), make(chan struct{})
	err := g.section(ctx, "outer", 0, func(ctx context.Context) error {
		go func() {
			inner <- g.section(ctx, "inner", 20, func(context.Context) error { close(begun); return nil })
		}()
		<-begun
		return nil
	})
	g.note("after")
	err = errors.Join(err, g.add("orphan"), <-inner)
	fmt.Fprintf(w, "has %q", g.all())
	return err
}

// block nests sections, or one that lasts or fails.
func (g *Gate) block(_ http.ResponseWriter, r *http.Request) error {
	var deeper func(ctx context.Context, n int) error
	deeper = func(ctx context.Context, n int) error {
		return g.state.BlockConcurrencyWhile(ctx, func(ctx context.Context) error {
			if n > 1 {
				return deeper(ctx, n-1)
			}
			g.note("deep")
			pause(number(r, "ms"))
			if r.URL.Query().Has("fail") {
				return errors.New("section failed")
			}
			return nil
		})
	}
	return deeper(r.Context(), max(1, number(r, "depth")))
}

// deadlock has a section wait for what can only happen outside it.
func (g *Gate) deadlock(_ http.ResponseWriter, r *http.Request) error {
	outside := make(chan error)
	g.state.Go(func(context.Context) {
		pause(5)
		outside <- g.add("never")
	})
	return g.state.BlockConcurrencyWhile(r.Context(), func(context.Context) error { return <-outside })
}
