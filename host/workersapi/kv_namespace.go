// Package workersapi is Cloudflare's classes for the realm, over simulators in Go.
package workersapi

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/dop251/goja"

	"durago.example/host/gojs"
	"durago.example/host/kv"
)

// Turns are what a class needs of the isolate.
type Turns interface {
	// Settle runs f as a turn of the realm. It may be called from any goroutine.
	Settle(f func() error)
	// Output calls f, on the loop, when what the running context has written is durable, or with the reason why it never
	// will be.
	Output(f func(broken error))
}

// NewKVNamespace makes the object that a KV binding is. Work happens off the loop; only settling happens on it. Writes
// wait at the output gate of the object that makes them.
func NewKVNamespace(r *gojs.Realm, n *kv.Namespace, turns Turns) *goja.Object {
	vm := r.Runtime()
	o := vm.NewObject()
	after := func(gate func(func(error)), work func() (func() goja.Value, error)) goja.Value {
		p, resolve, reject := vm.NewPromise()
		settle := func(result func() goja.Value, err error) {
			turns.Settle(func() error {
				if err != nil {
					e := vm.NewGoError(err)
					_ = e.Set("name", "Error")
					return reject(e)
				}
				return resolve(result())
			})
		}
		gate(func(broken error) {
			if broken != nil {
				settle(nil, broken)
				return
			}
			go func() { settle(work()) }()
		})
		return vm.ToValue(p)
	}
	promise := func(work func() (func() goja.Value, error)) goja.Value {
		return after(func(f func(error)) { f(nil) }, work)
	}
	read := func(c goja.FunctionCall, with bool) goja.Value {
		key, kind := c.Argument(0).String(), typeOf(c.Argument(1))
		return promise(func() (func() goja.Value, error) {
			b, ok, err := n.Get(key)
			if err != nil {
				return nil, err
			}
			if kind == "json" && ok && !json.Valid(b) {
				return nil, errors.New("the value is not JSON")
			}
			return func() goja.Value {
				v := goja.Null()
				if ok {
					v = convert(r, b, kind)
				}
				if !with {
					return v
				}
				m := vm.NewObject()
				_ = m.Set("value", v)
				_ = m.Set("metadata", goja.Null())
				return m
			}, nil
		})
	}
	must := func(name string, f func(goja.FunctionCall) goja.Value) { _ = o.Set(name, f) }
	must("get", func(c goja.FunctionCall) goja.Value { return read(c, false) })
	must("getWithMetadata", func(c goja.FunctionCall) goja.Value { return read(c, true) })
	must("put", func(c goja.FunctionCall) goja.Value {
		key, value := c.Argument(0).String(), bytesOf(c.Argument(1))
		var ttl time.Duration
		if opts, ok := c.Argument(2).(*goja.Object); ok {
			if v := opts.Get("expirationTtl"); v != nil && !goja.IsUndefined(v) {
				ttl = time.Duration(v.ToInteger()) * time.Second
			}
		}
		return after(turns.Output, func() (func() goja.Value, error) { return undefined, n.Put(key, value, ttl) })
	})
	must("delete", func(c goja.FunctionCall) goja.Value {
		key := c.Argument(0).String()
		return after(turns.Output, func() (func() goja.Value, error) { return undefined, n.Delete(key) })
	})
	must("list", func(c goja.FunctionCall) goja.Value {
		var prefix, cursor string
		var limit int
		if opts, ok := c.Argument(0).(*goja.Object); ok {
			prefix, cursor = text(opts.Get("prefix")), text(opts.Get("cursor"))
			if v := opts.Get("limit"); v != nil && !goja.IsUndefined(v) {
				limit = int(v.ToInteger())
			}
		}
		return promise(func() (func() goja.Value, error) {
			keys, next, err := n.List(prefix, cursor, limit)
			return func() goja.Value {
				list := make([]any, len(keys))
				for i, k := range keys {
					list[i] = map[string]any{"name": k}
				}
				m := map[string]any{"keys": list, "list_complete": next == ""}
				if next != "" {
					m["cursor"] = next
				}
				return vm.ToValue(m)
			}, err
		})
	})
	return o
}

func undefined() goja.Value { return goja.Undefined() }

func text(v goja.Value) string {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return ""
	}
	return v.String()
}

// typeOf reads the second argument of get: a type, or an object with one.
func typeOf(v goja.Value) string {
	if o, ok := v.(*goja.Object); ok {
		v = o.Get("type")
	}
	if s := text(v); s != "" {
		return s
	}
	return "text"
}

func convert(r *gojs.Realm, b []byte, kind string) goja.Value {
	vm := r.Runtime()
	switch kind {
	case "arrayBuffer":
		return vm.ToValue(vm.NewArrayBuffer(b))
	case "json":
		var v any
		_ = json.Unmarshal(b, &v)
		return vm.ToValue(v)
	}
	return vm.ToValue(string(b))
}

func bytesOf(v goja.Value) []byte {
	switch x := v.Export().(type) {
	case []byte:
		return append([]byte(nil), x...)
	case goja.ArrayBuffer:
		return append([]byte(nil), x.Bytes()...)
	}
	return []byte(v.String())
}
