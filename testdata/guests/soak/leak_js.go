package main

import "syscall/js"

var values []js.Value

// leakValue keeps a value of the realm.
func leakValue() { values = append(values, js.Global().Get("Object").New()) }
