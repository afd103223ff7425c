package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"durago.example/objects"
)

// kvVerbs are key-value storage, synchronous with "kv." before the name.
var kvVerbs = map[string]func(r *runner, ctx context.Context, rest string) (string, error){
	"kv.put": func(r *runner, _ context.Context, rest string) (string, error) {
		return with(rest, 2, func(v []any) (string, error) { return "ok", key(v[0]).Put(r.kv(), v[1]) })
	},
	"kv.get": func(r *runner, _ context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) { return found(key(v[0]).Get(r.kv())) })
	},
	"kv.delete": func(r *runner, _ context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) {
			existed, err := key(v[0]).Delete(r.kv())
			return fmt.Sprint(existed), err
		})
	},
	"kv.list": func(r *runner, _ context.Context, rest string) (string, error) {
		o, _, err := listOptions(rest)
		if err != nil {
			return "", err
		}
		return entries(objects.List[any](r.kv(), o))
	},
	"put": func(r *runner, ctx context.Context, rest string) (string, error) {
		return with(rest, 2, func(v []any) (string, error) {
			return "ok", key(v[0]).PutAsync(ctx, r.async(), v[1], hints(v[2:]))
		})
	},
	"get": func(r *runner, ctx context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) { return found(key(v[0]).GetAsync(ctx, r.async(), hints(v[1:]))) })
	},
	"get-many": func(r *runner, ctx context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) {
			m, err := objects.GetMany[any](ctx, r.async(), keys(v[0]), hints(v[1:]))
			return show(m), err
		})
	},
	"put-many": func(r *runner, ctx context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) {
			return "ok", objects.PutMany(ctx, r.async(), v[0].(map[string]any), hints(v[1:]))
		})
	},
	"delete": func(r *runner, ctx context.Context, rest string) (string, error) {
		return with(rest, 1, func(v []any) (string, error) {
			n, err := r.async().Delete(ctx, keys(v[0]), hints(v[1:]))
			return fmt.Sprint(n), err
		})
	},
	"list": func(r *runner, ctx context.Context, rest string) (string, error) {
		o, hints, err := listOptions(rest)
		if err != nil {
			return "", err
		}
		return entries(objects.ListAsync[any](ctx, r.async(), o, hints))
	},
}

func (s *Store) kv() *objects.KV         { return s.state.Storage().KV() }
func (s *Store) async() *objects.AsyncKV { return s.state.Storage().Async() }

// with reads a step's values, at least n of them.
func with(rest string, n int, f func(v []any) (string, error)) (string, error) {
	v, err := values(rest)
	if err != nil {
		return "", err
	}
	if len(v) < n {
		return "", fmt.Errorf("%d values, want %d", len(v), n)
	}
	return f(v)
}

func key(v any) objects.Key[any] { return objects.NewKey[any](v.(string)) }

func keys(v any) (out []string) {
	for _, k := range v.([]any) {
		out = append(out, k.(string))
	}
	return out
}

func found(v any, ok bool, err error) (string, error) {
	if err == nil && !ok {
		return "none", nil
	}
	return show(v), err
}

// hints reads the names of options that are set.
func hints(v []any) *objects.AsyncOptions {
	if len(v) == 0 {
		return nil
	}
	o := &objects.AsyncOptions{}
	for _, name := range v[0].([]any) {
		switch name {
		case "allowConcurrency":
			o.AllowConcurrency = true
		case "allowUnconfirmed":
			o.AllowUnconfirmed = true
		case "noCache":
			o.NoCache = true
		}
	}
	return o
}

func listOptions(rest string) (*objects.ListOptions, *objects.AsyncOptions, error) {
	if rest == "" {
		return nil, nil, nil
	}
	var o struct {
		objects.ListOptions
		Hints []any
	}
	d := json.NewDecoder(strings.NewReader(rest))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return nil, nil, errors.Join(errors.New("options"), err)
	}
	if o.Hints == nil {
		return &o.ListOptions, nil, nil
	}
	return &o.ListOptions, hints([]any{o.Hints}), nil
}

func entries(all iter.Seq2[objects.Entry[any], error]) (string, error) {
	var out []string
	for e, err := range all {
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprintf("%q=%s", e.Key, show(e.Value)))
	}
	if len(out) == 0 {
		return "empty", nil
	}
	return strings.Join(out, " "), nil
}
