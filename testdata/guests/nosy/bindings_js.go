package main

import "syscall/js"

// bindings is what syumai/workers finds when a program starts: the variables and bindings, as JSON, and whether there
// is a network.
func bindings() string {
	return js.Global().Get("JSON").Call("stringify", js.Global().Get("context")).String() + " fetch=" + js.Global().Get("fetch").Type().String()
}
