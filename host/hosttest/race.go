//go:build race

package hosttest

// racing says that the race detector watches: it takes five times as long, and sees nothing new in an instance for each object.
const racing = true
