// Command plain is the guest of the isolate's tests: no objects, an event that does what its frame says, and syscall/js
// on plain objects.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall/js"
	"time"
	"unsafe"

	"durago.example/testdata/guests/language"
)

var (
	control [8]uint32
	inbox   [64 << 10]byte
	cut     int
)

//go:wasmexport durago_abi_2
func durago() uint32 {
	control[0], control[1] = uint32(uintptr(unsafe.Pointer(&inbox))), uint32(len(inbox))
	return uint32(uintptr(unsafe.Pointer(&control)))
}

//go:wasmexport durago_alloc
func alloc(n uint32) {}

//go:wasmexport durago_event
func event(kind, ctx, ev, n uint32) {
	verb := string(inbox[:n])
	go do(verb)
}

//go:wasmexport durago_transaction
func transaction(uint32) uint32 { return 0 }

//go:wasmexport durago_stat
func stat(uint32) uint32 { return 0 }

func main() {
	fmt.Println("hello from", runtime.GOOS)
	fmt.Fprintln(os.Stderr, "and from stderr")
	select {}
}

func do(verb string) {
	switch verb {
	case "language":
		for _, line := range language.Lines() {
			fmt.Println(line)
		}
	case "spin":
		for i := 0; i >= 0; i++ {
			cut ^= i
		}
	case "alloc":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			cut += len(all)
		}
	case "churn": // ten MiB are in use at a time
		var all [10][]byte
		for i := range 400 {
			all[i%len(all)] = make([]byte, 1<<20)
			cut += len(all[i/2%len(all)])
		}
	case "exit":
		os.Exit(3)
	case "panic":
		panic("on purpose")
	case "recurse":
		fmt.Println(recurse(1))
	case "sleep":
		time.Sleep(time.Second)
		fmt.Println("slept")
	case "values":
		values()
	case "callbacks":
		callbacks()
	case "promise":
		promise()
	}
	fmt.Println("done", verb)
}

func recurse(n int) int {
	var a [64]int
	a[n%64] = n
	return recurse(n+1) + a[3]
}

// values prints what JavaScript makes of Go's values and the reverse.
func values() {
	g := js.Global()
	o := g.Get("Object").New()
	o.Set("n", 1.5)
	o.Set("s", "é😀")
	o.Set("b", true)
	o.Set("nothing", nil)
	fmt.Println(g.Get("JSON").Call("stringify", o).String())
	a := g.Get("Array").New(1, "two")
	a.SetIndex(2, 3)
	fmt.Println(a.Length(), a.Index(1), a.Index(9).IsUndefined(), a.InstanceOf(g.Get("Array")))
	u := g.Get("Uint8Array").New(3)
	js.CopyBytesToJS(u, []byte{7, 8, 9})
	back := make([]byte, 3)
	fmt.Println(js.CopyBytesToGo(back, u), back)
	func() {
		defer func() { fmt.Println("recovered", recover().(js.Error).Error()) }()
		g.Get("JSON").Call("parse", "{")
	}()
	f := js.FuncOf(func(this js.Value, args []js.Value) any { return args[0].Int() + args[1].Int() })
	defer f.Release()
	fmt.Println(f.Invoke(2, 3).Int(), js.ValueOf(f).Type())
}

func callbacks() {
	for range 10_000 {
		f := js.FuncOf(func(js.Value, []js.Value) any { return nil })
		f.Invoke(js.Global().Get("Object").New())
		f.Release()
	}
	for range 3 { // finalizers let go of the values
		runtime.GC()
		runtime.Gosched()
	}
}

func promise() {
	settled := make(chan string)
	then := js.FuncOf(func(_ js.Value, args []js.Value) any {
		v := args[0].String()
		go func() { settled <- v }()
		return nil
	})
	defer then.Release()
	js.Global().Get("Promise").Call("resolve", "resolved").Call("then", then)
	fmt.Println(<-settled)
}
