package guest

import (
	"context"
	"fmt"
	"syscall/js"
	"time"

	"github.com/syumai/workers/cloudflare"

	"durago.example/objects/driver"
)

// env is the cold path: JavaScript objects through the syumai/workers bindings.
type env struct{ s *scope }

func (e env) Var(name string) (string, bool) {
	v := cloudflare.GetBinding(name)
	switch v.Type() {
	case js.TypeUndefined:
		return "", false
	case js.TypeString:
		return v.String(), true
	}
	return js.Global().Get("JSON").Call("stringify", v).String(), true
}

func (e env) KV(binding string) (driver.KVNamespace, error) {
	v := cloudflare.GetBinding(binding)
	if v.Type() != js.TypeObject || v.Get("getWithMetadata").Type() != js.TypeFunction {
		return nil, fmt.Errorf("objects: no KV namespace is bound as %s: add it to kv_namespaces in the wrangler configuration", binding)
	}
	return kvNamespace{e.s, v}, nil
}

type kvNamespace struct {
	s *scope
	v js.Value
}

func (k kvNamespace) Get(ctx context.Context, key string) ([]byte, bool, error) {
	v, err := k.call(ctx, "get", key, "arrayBuffer")
	if err != nil || v.IsNull() {
		return nil, false, err
	}
	a := js.Global().Get("Uint8Array").New(v)
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	return b, true, nil
}

func (k kvNamespace) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	a := js.Global().Get("Uint8Array").New(len(value))
	js.CopyBytesToJS(a, value)
	o := map[string]any{}
	if ttl > 0 {
		o["expirationTtl"] = int(ttl / time.Second)
	}
	_, err := k.call(ctx, "put", key, a, o)
	return err
}

func (k kvNamespace) Delete(ctx context.Context, key string) error {
	_, err := k.call(ctx, "delete", key)
	return err
}

func (k kvNamespace) List(ctx context.Context, prefix, cursor string, limit int) ([]string, string, error) {
	o := map[string]any{"prefix": prefix}
	if cursor != "" {
		o["cursor"] = cursor
	}
	if limit > 0 {
		o["limit"] = limit
	}
	v, err := k.call(ctx, "list", o)
	if err != nil {
		return nil, "", err
	}
	list := v.Get("keys")
	keys := make([]string, list.Length())
	for i := range keys {
		keys[i] = list.Index(i).Get("name").String()
	}
	if c := v.Get("cursor"); c.Type() == js.TypeString && !v.Get("list_complete").Truthy() {
		return keys, c.String(), nil
	}
	return keys, "", nil
}

func (k kvNamespace) call(ctx context.Context, method string, args ...any) (js.Value, error) {
	if l := running(); l != nil && l.section != nil && l.section.sync {
		return js.Value{}, errWouldWait
	}
	if err := k.s.enter(); err != nil {
		return js.Value{}, err
	}
	p, err := try(func() js.Value { return k.v.Call(method, args...) })
	if err != nil {
		return js.Value{}, err
	}
	return k.s.awaitPromise(ctx, p)
}

// try turns a JavaScript exception, which syscall/js panics with, into an error.
func try(f func() js.Value) (v js.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(js.Error)
			if !ok {
				panic(r)
			}
			err = exception(e.Value)
		}
	}()
	return f(), nil
}

func exception(v js.Value) error {
	e := &driver.Error{Name: "Error", Message: "unknown exception"}
	if v.Type() == js.TypeObject {
		e.Name, e.Message = v.Get("name").String(), v.Get("message").String()
	} else if v.Type() == js.TypeString {
		e.Message = v.String()
	}
	return e
}

// awaitPromise waits for a promise. The runtime runs the two callbacks in the context that made them.
func (s *scope) awaitPromise(ctx context.Context, p js.Value) (js.Value, error) {
	type outcome struct {
		v  js.Value
		ok bool
	}
	done := make(chan outcome, 1)
	settle := func(ok bool) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			var v js.Value
			if len(args) > 0 {
				v = args[0]
			}
			select {
			case done <- outcome{v, ok}:
			default:
			}
			return nil
		})
	}
	yes, no := settle(true), settle(false)
	defer yes.Release()
	defer no.Release()
	p.Call("then", yes, no)
	select {
	case o := <-done:
		if !o.ok {
			return js.Value{}, exception(o.v)
		}
		return o.v, nil
	case <-ctx.Done():
		return js.Value{}, context.Cause(ctx)
	case <-s.Context().Done():
		return js.Value{}, errGone
	}
}
