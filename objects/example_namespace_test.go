package objects_test

import (
	"context"
	"io"
	"net/http"

	"durago.example/objects"
)

func ExampleNamespace_GetByName() {
	_ = func(ctx context.Context) (int, error) {
		desks := objects.NamespaceOf(ctx, "DESK")
		return objects.Declare1[string, int]("count", "item").Call(ctx, desks.GetByName("mine"), "pen")
	}
}

// Ids are made from names, made up, or read from their 64 hex digits.
func ExampleNamespace() {
	_ = func(ctx context.Context) (*objects.Stub, error) {
		desks := objects.NamespaceOf(ctx, "DESK")
		id, err := desks.IDFromName("mine")
		if err != nil {
			return nil, err
		}
		fresh, err := desks.NewUniqueID(&objects.IDOptions{Jurisdiction: "eu"})
		if err != nil {
			return nil, err
		}
		again, err := desks.ParseID(fresh.String())
		if err != nil {
			return nil, err
		}
		if _, named := again.Name(); named {
			return desks.Get(again), nil
		}
		return desks.Get(id), nil
	}
}

// Call is for methods of objects that are not written in Go, or whose contract is not at hand.
func ExampleStub_Call() {
	_ = func(ctx context.Context, stub *objects.Stub) (n int, err error) {
		err = stub.Call(ctx, &n, "count", "pen")
		return n, err
	}
}

func ExampleStub_Fetch() {
	_ = func(ctx context.Context, stub *objects.Stub) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://desk/", nil)
		if err != nil {
			return nil, err
		}
		resp, err := stub.Fetch(ctx, r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
}

// Forward hands the whole request to the object: upgrade, streams and all.
func ExampleStub_Forward() {
	http.HandleFunc("/desk/{name}", func(w http.ResponseWriter, r *http.Request) {
		stub := objects.NamespaceOf(r.Context(), "DESK").GetByName(r.PathValue("name"))
		if err := stub.Forward(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
}

// A stub keeps failing once its object has broken; a new stub gets a new object.
func ExampleError() {
	_ = func(ctx context.Context, stub func() *objects.Stub) (n int, err error) {
		for range 2 {
			err = stub().Call(ctx, &n, "count", "pen")
			e, ok := err.(*objects.Error)
			if !ok || !e.Retryable || e.Overloaded {
				break
			}
		}
		return n, err
	}
}
