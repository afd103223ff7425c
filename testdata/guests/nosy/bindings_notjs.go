//go:build !js

package main

// bindings has nothing to look at natively.
func bindings() string { return "" }
