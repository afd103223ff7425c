package objects_test

import (
	"context"

	"durago.example/objects"
)

// A key knows the type of its values.
var lastSeen = objects.NewKey[map[string]string]("last seen")

func ExampleKey() {
	_ = func(state *objects.State, who, where string) error {
		kv := state.Storage().KV()
		seen, ok, err := lastSeen.Get(kv)
		if err != nil {
			return err
		}
		if !ok {
			seen = map[string]string{}
		}
		seen[who] = where
		if len(seen) > 100 {
			_, err = lastSeen.Delete(kv)
			return err
		}
		return lastSeen.Put(kv, seen)
	}
}

func ExampleList() {
	_ = func(state *objects.State) (sum int, err error) {
		for e, err := range objects.List[int](state.Storage().KV(), &objects.ListOptions{Prefix: "score:", Limit: 100, Reverse: true}) {
			if err != nil {
				return 0, err
			}
			sum += e.Value
		}
		return sum, nil
	}
}

// The older interface to the same keys waits, and reads or writes many at once.
func ExampleAsyncKV() {
	_ = func(ctx context.Context, state *objects.State) error {
		kv := state.Storage().Async()
		scores, err := objects.GetMany[int](ctx, kv, []string{"score:a", "score:b"}, nil)
		if err != nil {
			return err
		}
		scores["score:c"] = scores["score:a"] + scores["score:b"]
		unconfirmed := &objects.AsyncOptions{AllowUnconfirmed: true}
		if err := objects.PutMany(ctx, kv, scores, unconfirmed); err != nil {
			return err
		}
		total := objects.NewKey[int]("total")
		n, _, err := total.GetAsync(ctx, kv, nil)
		if err != nil {
			return err
		}
		if err := total.PutAsync(ctx, kv, n+len(scores), nil); err != nil {
			return err
		}
		for e, err := range objects.ListAsync[int](ctx, kv, &objects.ListOptions{Start: "score:b"}, nil) {
			if err != nil {
				return err
			}
			if e.Value == 0 {
				if _, err := kv.Delete(ctx, []string{e.Key}, nil); err != nil {
					return err
				}
			}
		}
		return nil
	}
}
