//go:build !js

package guest

// Goroutine is the number of the running goroutine.
var Goroutine = goroutine

// Waits tells whether a goroutine waits, or is no more, in two looks.
func Waits(id uint64) bool {
	var l look
	l.waits(id, 1)
	return l.waits(id, 1)
}

// Members is how many goroutines a guest knows.
func Members(g *Guest) int { return len(g.members) }
