package gojs

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// installBasics gives what Go's own packages expect to find: file output, randomness, a clock, a console.
func (r *Realm) installBasics() error {
	g := r.vm.GlobalObject()
	var failed error
	set := func(o *goja.Object, name string, f func(goja.FunctionCall) goja.Value) {
		failed = errors.Join(failed, o.Set(name, f))
	}
	fs := g.Get("fs").ToObject(r.vm)
	set(fs, "write", func(c goja.FunctionCall) goja.Value {
		done, ok := goja.AssertFunction(c.Argument(5))
		b, isBytes := r.bytesOf(c.Argument(1))
		off, n := int(c.Argument(2).ToInteger()), int(c.Argument(3).ToInteger())
		if !ok || !isBytes || off < 0 || n < 0 || off+n > len(b) {
			panic(r.vm.NewTypeError("fs.write: bad arguments"))
		}
		w, err := r.output(int(c.Argument(0).ToInteger())).Write(b[off : off+n])
		e := goja.Value(goja.Null())
		if err != nil {
			e = r.vm.NewGoError(err)
		}
		if _, err := done(goja.Undefined(), e, r.vm.ToValue(w)); err != nil { // at once, as wasm_exec.js does
			panic(err)
		}
		return goja.Undefined()
	})
	for _, name := range []string{"chmod", "chown", "close", "fchmod", "fchown", "fstat", "fsync", "ftruncate", "lchown", "link",
		"lstat", "mkdir", "open", "read", "readdir", "readlink", "rename", "rmdir", "stat", "symlink", "truncate", "unlink", "utimes"} {
		set(fs, name, func(c goja.FunctionCall) goja.Value {
			done, ok := goja.AssertFunction(c.Argument(len(c.Arguments) - 1))
			if !ok {
				panic(r.vm.NewTypeError("fs: no callback"))
			}
			e := r.vm.NewGoError(errors.New("not implemented"))
			_ = e.Set("code", "ENOSYS")
			if _, err := done(goja.Undefined(), e); err != nil {
				panic(err)
			}
			return goja.Undefined()
		})
	}
	process := g.Get("process").ToObject(r.vm)
	for _, name := range []string{"umask", "cwd", "chdir", "getgroups"} {
		set(process, name, func(goja.FunctionCall) goja.Value { panic(r.vm.NewGoError(errors.New("not implemented"))) })
	}
	object := func(name string) *goja.Object {
		o := r.vm.NewObject()
		failed = errors.Join(failed, g.Set(name, o))
		return o
	}
	set(object("performance"), "now", func(goja.FunctionCall) goja.Value {
		return r.vm.ToValue(float64(r.o.Monotonic()) / float64(time.Millisecond))
	})
	set(object("crypto"), "getRandomValues", func(c goja.FunctionCall) goja.Value {
		b, ok := r.bytesOf(c.Argument(0))
		if !ok {
			panic(r.vm.NewTypeError("getRandomValues: want a Uint8Array"))
		}
		if _, err := io.ReadFull(r.o.Random, b); err != nil {
			panic(r.vm.NewGoError(err))
		}
		return c.Argument(0)
	})
	console := object("console")
	for _, name := range []string{"debug", "log", "info", "warn", "error"} {
		w := r.o.Stdout
		if name == "warn" || name == "error" {
			w = r.o.Stderr
		}
		set(console, name, func(c goja.FunctionCall) goja.Value {
			words := make([]string, len(c.Arguments))
			for i, a := range c.Arguments {
				words[i] = a.String()
			}
			_, _ = io.WriteString(w, strings.Join(words, " ")+"\n")
			return goja.Undefined()
		})
	}
	return failed
}

func (r *Realm) output(fd int) io.Writer {
	if fd == 1 {
		return r.o.Stdout
	}
	return r.o.Stderr
}
