package host

import "time"

// Cloudflare is o with Cloudflare's limits of the paid plan where it has none of its own. Those of messages and calls, 32 MiB,
// hold without it. What it leaves out: 10 GB for each database, 1,000 requests a second for each object, and the size of
// URLs. See https://developers.cloudflare.com/workers/platform/limits/.
func Cloudflare(o Options) Options {
	set(&o.MemoryLimit, 128<<20)
	set(&o.CPULimit, 30*time.Second)
	set(&o.MaxBody, 100_000_000)
	set(&o.Subrequests, 10_000)
	set(&o.Connections, 6)
	return o
}

func set[T comparable](to *T, v T) {
	var zero T
	if *to == zero {
		*to = v
	}
}
