package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"durago.example/objects"
)

// callVerbs are ids, stubs and calls. Names are of objects of the class Peer, each script's own.
var callVerbs = map[string]func(r *runner, ctx context.Context, rest string) (string, error){
	"id.name": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := peers(ctx).IDFromName(rest)
		name, ok := id.Name()
		return fmt.Sprintf("%s %d %v", id, len(name), ok), err
	},
	"id.parse": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := peers(ctx).ParseID(rest)
		_, named := id.Name()
		return fmt.Sprintf("%s %v", id, named), err
	},
	"id.unique": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := peers(ctx).NewUniqueID(&objects.IDOptions{Jurisdiction: rest})
		if err != nil {
			return "", err
		}
		again, err := peers(ctx).ParseID(strings.ToUpper(id.String()))
		other, _ := peers(ctx).NewUniqueID(nil)
		_, named := id.Name()
		return fmt.Sprintf("%d %v %v %v", len(id.String()), id.Equal(again), id.Equal(other), named), err
	},
	"id.in": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := peers(ctx).Jurisdiction(rest).IDFromName("a")
		return id.String(), err
	},
	"id.foreign": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := objects.NamespaceOf(ctx, "STORE").IDFromName("a")
		if err != nil {
			return "", err
		}
		if rest == "parse" {
			_, err = peers(ctx).ParseID(id.String())
			return "ok", err
		}
		return ownName.Call(ctx, peers(ctx).Get(id))
	},
	"id.hinted": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := r.peerID(ctx, "a")
		if err != nil {
			return "", err
		}
		return ownName.Call(ctx, peers(ctx).GetWith(id, objects.GetOptions{LocationHint: rest}))
	},
	"id.unnamed": func(r *runner, ctx context.Context, rest string) (string, error) {
		id, err := r.peerID(ctx, rest)
		if err != nil {
			return "", err
		}
		if id, err = peers(ctx).ParseID(id.String()); err != nil {
			return "", err
		}
		return ownName.Call(ctx, peers(ctx).Get(id))
	},
	"id.unbound": func(r *runner, ctx context.Context, _ string) (string, error) {
		_, err := objects.NamespaceOf(ctx, "NOWHERE").IDFromName("a")
		return "ok", err
	},
	"own": func(r *runner, ctx context.Context, rest string) (string, error) {
		return ownName.Call(ctx, peers(ctx).GetByName(rest))
	},
	// call calls a method by name with JSON arguments.
	"call": func(r *runner, ctx context.Context, rest string) (string, error) {
		name, rest, _ := strings.Cut(rest, " ")
		method, rest, _ := strings.Cut(rest, " ")
		args, err := values(rest)
		if err != nil {
			return "", err
		}
		var v any
		err = r.peer(ctx, name).Call(ctx, &v, method, args...)
		return show(v), r.told(err)
	},
	// order has calls begin one after another, on one stub, and none wait for the one before.
	"order": func(r *runner, ctx context.Context, rest string) (string, error) {
		s := r.peer(ctx, rest)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { _ = note.Call(ctx, s, fmt.Sprint(i)) })
			runtime.Gosched() // until it waits
		}
		wg.Wait()
		return logged.Call(ctx, s)
	},
	// broken calls an object on a stub of before it was reset, and on a new one.
	"broken": func(r *runner, ctx context.Context, rest string) (string, error) {
		s := r.peer(ctx, rest)
		_, first := ownName.Call(ctx, s)
		reset := resetSelf.Call(ctx, s)
		_, again := ownName.Call(ctx, s)
		_, fetched := r.fetch(ctx, s, "http://x/")
		_, fresh := ownName.Call(ctx, r.peer(ctx, rest))
		return fmt.Sprintf("%v | %v | %v | %v | %v", first, r.told(reset), r.told(again), fetched, fresh), nil
	},
	// twice calls twice on one stub.
	"twice": func(r *runner, ctx context.Context, rest string) (string, error) {
		s := r.peer(ctx, rest)
		_, first := ownName.Call(ctx, s)
		_, again := ownName.Call(ctx, s)
		return fmt.Sprintf("%v | %v", r.told(first), r.told(again)), nil
	},
	// reenter has an object call itself, and another that calls it.
	"reenter": func(r *runner, ctx context.Context, rest string) (string, error) {
		s := r.peer(ctx, rest)
		return callThere.Call(ctx, s, s)
	},
	"fetch": func(r *runner, ctx context.Context, rest string) (string, error) {
		name, rest, _ := strings.Cut(rest, " ")
		return r.fetch(ctx, r.peer(ctx, name), rest)
	},
	// giveup gives a request up while the object waits.
	"giveup": func(r *runner, ctx context.Context, rest string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := r.fetch(ctx, r.peer(ctx, rest), "http://x/wait")
		return fmt.Sprint(err), nil
	},
	// hangup calls a method with a context that ends first.
	"hangup": func(r *runner, ctx context.Context, rest string) (string, error) {
		over, cancel := context.WithCancel(ctx)
		cancel()
		_, err := ownName.Call(over, r.peer(ctx, rest))
		return fmt.Sprint(err), nil
	},
	"retry": (*runner).retry,
	"lend":  (*runner).lend,
	"entry": (*runner).entry,
}

func peers(ctx context.Context) *objects.Namespace { return objects.NamespaceOf(ctx, "PEER") }

// peerName is the name of an object of this script's own.
func (r *runner) peerName(name string) string { return r.state.ID().String()[:8] + "/" + name }

func (r *runner) peerID(ctx context.Context, name string) (objects.ID, error) {
	return peers(ctx).IDFromName(r.peerName(name))
}

func (r *runner) peer(ctx context.Context, name string) *objects.Stub {
	return peers(ctx).GetByName(r.peerName(name))
}

// told is an error with everything that it tells, the objects' ids by their names.
func (r *runner) told(err error) error {
	var e *objects.Error
	if !errors.As(err, &e) {
		return err
	}
	text := ""
	if e.ObjectID != "" {
		text = " [of another]"
		for _, name := range []string{"a", "b"} {
			if id, err := r.peerID(r.state.Context(), name); err == nil && id.String() == e.ObjectID {
				text = " [of " + name + "]"
			}
		}
	}
	if len(e.Props) > 0 {
		text += " " + show(e.Props)
	}
	return errors.New(failure(err) + text)
}

func (r *runner) fetch(ctx context.Context, s *objects.Stub, url string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("body"))
	if err != nil {
		return "", err
	}
	resp, err := s.Fetch(ctx, q)
	if err != nil {
		return "", r.told(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b), err
}

// retry tries what fails in the given way each time but the last.
func (r *runner) retry(ctx context.Context, rest string) (string, error) {
	id, err := r.peerID(ctx, "a")
	if err != nil {
		return "", err
	}
	tries := 0
	stubs := map[*objects.Stub]bool{}
	err = peers(ctx).Retry(ctx, id, &objects.RetryOptions{Base: time.Millisecond}, func(ctx context.Context, s *objects.Stub) error {
		tries++
		stubs[s] = true
		e := &objects.Error{Name: "Error", Message: fmt.Sprint("try ", tries)}
		switch rest {
		case "retryable":
			e.Retryable = true
		case "overloaded":
			e.Retryable, e.Overloaded = true, true
		case "twice":
			if e.Retryable = true; tries == 2 {
				return nil
			}
		}
		return e
	})
	return fmt.Sprintf("%d tries, %d stubs, %v", tries, len(stubs), err), nil
}
