package objects_test

import (
	"context"
	"errors"
	"net/http"
	"time"

	"durago.example/objects"
)

// A constructor that must wait before the first event holds events back.
func ExampleState_BlockConcurrencyWhile() {
	_ = func(state *objects.State) error {
		return state.BlockConcurrencyWhile(state.Context(), func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/settings", nil)
			if err != nil {
				return err
			}
			resp, err := objects.Fetch(ctx, r)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
	}
}

// WaitUntil keeps the object alive until f returns; Go does not.
func ExampleState_WaitUntil() {
	_ = func(state *objects.State, stub *objects.Stub) {
		state.WaitUntil(func(ctx context.Context) error {
			return stub.Call(ctx, nil, "note", state.ID().String())
		})
		state.Go(func(ctx context.Context) {
			for {
				select {
				case <-ctx.Done(): // the object is gone
					return
				case <-time.After(time.Second):
					state.Logf(ctx, "still here")
				}
			}
		})
	}
}

func ExampleState_Abort() {
	_ = func(state *objects.State, err error) {
		if err != nil {
			state.Abort(errors.New("the state in memory is not to be trusted"))
		}
	}
}
