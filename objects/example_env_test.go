package objects_test

import (
	"context"
	"net/http"
	"time"

	"durago.example/objects"
)

func ExampleEnvOf() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		env := objects.EnvOf(r.Context())
		name, ok := env.Var("NAME")
		if !ok {
			name = "nobody"
		}
		var limits struct{ PerMinute int }
		if err := env.JSON("LIMITS", &limits); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(name))
	})
}

func ExampleKVNamespace() {
	_ = func(ctx context.Context) error {
		kv, err := objects.EnvOf(ctx).KV("CACHE")
		if err != nil {
			return err
		}
		keys, next, err := kv.List(ctx, "page:", "", 10)
		for err == nil && next != "" {
			var more []string
			more, next, err = kv.List(ctx, "page:", next, 10)
			keys = append(keys, more...)
		}
		for _, k := range keys {
			v, ok, err := kv.Get(ctx, k)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := kv.Put(ctx, k, append(v, '!'), time.Hour); err != nil {
				return err
			}
		}
		return kv.Delete(ctx, "page:")
	}
}

// WaitUntil lets a request's work go on after its answer.
func ExampleWaitUntil() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		stub := objects.NamespaceOf(r.Context(), "VISITS").GetByName("all")
		objects.WaitUntil(r.Context(), func(ctx context.Context) error {
			_, err := Record.Call(ctx, stub, "somebody")
			return err
		})
	})
}

// Fetch is for outgoing requests; http.Client would add 4.6 MiB to the program.
func ExampleFetch() {
	_ = func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
		if err != nil {
			return 0, err
		}
		resp, err := objects.Fetch(ctx, r)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
}
