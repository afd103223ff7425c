//go:build !race

package hosttest

const racing = false
