package objects

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"durago.example/objects/driver"
)

// Env is a worker's configuration: variables, secrets and bindings. See
// https://developers.cloudflare.com/workers/configuration/environment-variables/.
type Env struct{ scope driver.Scope }

// EnvOf is the environment of the object or request that ctx belongs to.
func EnvOf(ctx context.Context) *Env { return &Env{scopeOf(ctx)} }

// Var is a variable or secret; a JSON variable is returned as its text.
func (e *Env) Var(name string) (value string, ok bool) {
	if e.scope == nil {
		return "", false
	}
	return e.scope.Platform().Env().Var(name)
}

// JSON reads a JSON variable into v, a pointer.
func (e *Env) JSON(name string, v any) error {
	s, ok := e.Var(name)
	if !ok {
		return fmt.Errorf("objects: variable %s is not set: add it to vars in the wrangler configuration", name)
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("objects: variable %s: %w", name, err)
	}
	return nil
}

// KV is a Workers KV binding.
func (e *Env) KV(binding string) (*KVNamespace, error) {
	if e.scope == nil {
		return nil, errNoScope
	}
	kv, err := e.scope.Platform().Env().KV(binding)
	if err != nil {
		return nil, err
	}
	return &KVNamespace{kv}, nil
}

// KVNamespace is a Workers KV namespace: eventually consistent, shared by all objects. See
// https://developers.cloudflare.com/kv/api/.
type KVNamespace struct{ kv driver.KVNamespace }

// Get reads a value; ok is false if there is none.
func (k *KVNamespace) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	return k.kv.Get(ctx, key)
}

// Put writes a value; ttl is at least 60 seconds, or 0 for no expiry.
func (k *KVNamespace) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return k.kv.Put(ctx, key, value, ttl)
}

// Delete removes a value.
func (k *KVNamespace) Delete(ctx context.Context, key string) error { return k.kv.Delete(ctx, key) }

// List reads up to limit keys (1,000 if 0) that begin with prefix; next is the cursor of the following page, or empty.
func (k *KVNamespace) List(ctx context.Context, prefix, cursor string, limit int) (keys []string, next string, err error) {
	return k.kv.List(ctx, prefix, cursor, limit)
}

// WaitUntil runs f on a new goroutine that keeps the request or object of ctx alive until it returns.
func WaitUntil(ctx context.Context, f func(ctx context.Context) error) {
	if s := scopeOf(ctx); s != nil {
		s.WaitUntil(f)
	}
}
