package objects_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
)

// TestNamespace_Retry: how often and how long, in time that a test may let pass.
func TestNamespace_Retry(t *testing.T) {
	retryable := &objects.Error{Name: "Error", Message: "lost", Retryable: true}
	for name, row := range map[string]struct {
		o         *objects.RetryOptions
		err       error
		tries     int
		shortest  time.Duration
		longest   time.Duration
		cancelled time.Duration
	}{
		"by default":      {nil, retryable, 3, 2, 300 * time.Millisecond, 0},
		"as asked":        {&objects.RetryOptions{Attempts: 8, Base: time.Second, Max: 2 * time.Second}, retryable, 8, 7, 13*time.Second + 7, 0},
		"wrapped":         {nil, errors.Join(errors.New("around"), retryable), 3, 2, 300 * time.Millisecond, 0},
		"another error":   {nil, errors.New("no"), 1, 0, 0, 0},
		"overloaded":      {nil, &objects.Error{Retryable: true, Overloaded: true}, 1, 0, 0, 0},
		"success":         {nil, nil, 1, 0, 0, 0},
		"until cancelled": {&objects.RetryOptions{Attempts: 1000, Base: time.Hour, Max: time.Hour}, retryable, -1, time.Second, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if row.cancelled > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.cancelled)
					defer cancel()
				}
				began, tries := time.Now(), 0
				err := objects.NamespaceOf(ctx, "DESK").Retry(ctx, objects.ID{}, row.o, func(context.Context, *objects.Stub) error {
					tries++
					return row.err
				})
				took := time.Since(began)
				require.ErrorIs(t, err, row.err)
				if row.cancelled > 0 {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					require.Equal(t, row.tries, tries)
				}
				require.GreaterOrEqual(t, took, row.shortest)
				require.LessOrEqual(t, took, row.longest)
			})
		})
	}
}
