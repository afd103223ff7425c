//go:build !js

package main

func leakValue() {}
